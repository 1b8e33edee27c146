//! What holds of every store.

use super::*;
use crate::remote::sessions::tests::server::Server;

/// Runs each of the named functions on a store in memory, in Redis, there as a user who may do little, and in Valkey.
macro_rules! on_every_store {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(&process(&StoreSettings::Memory(1 << 20))).await;
            })+
        }
        mod in_redis {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(server) = Server::start() else { return };
                super::$name(&process(&server.settings())).await;
            })+
        }
        mod with_few_rights {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(server) = Server::strict() else { return };
                super::$name(&process(&server.strict_settings())).await;
            })+
        }
        mod in_valkey {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let Some(server) = Server::valkey() else { return };
                super::$name(&process(&server.settings())).await;
            })+
        }
    };
}

on_every_store! {
    a_session_is_found_by_its_ticket_and_by_no_other,
    a_session_that_has_ended_is_not_found,
    a_session_that_was_signed_out_stays_so,
    a_login_that_was_ended_takes_its_sessions_along_and_those_to_come,
    a_person_who_was_signed_out_can_sign_in_again,
    an_older_session_does_not_replace_one_that_was_renewed,
    the_turn_to_renew_is_given_to_whoever_has_the_newest,
    a_session_without_bounds_is_not_stored,
    a_ticket_that_is_made_first_leads_to_the_session,
    all_that_have_begun_can_be_ended_at_once,
    a_person_s_sessions_are_listed_with_what_was_noted,
}

async fn a_session_is_found_by_its_ticket_and_by_no_other(sessions: &Arc<Sessions>) {
    let ticket = save(sessions, &session(1, "ada", None, 0), None).await.unwrap();
    let other = save(sessions, &session(2, "bob", None, 0), None).await.unwrap();
    assert_eq!(subject(sessions, &ticket, 1).await.as_deref(), Some("ada"));
    assert_eq!(subject(sessions, &other, 1).await.as_deref(), Some("bob"));
    let wrong_key = Ticket { id: ticket.id, key: other.key.clone() };
    let outcome = sessions.load(&wrong_key, at(1)).await;
    assert!(matches!(outcome, Err(StoreError::Damaged)), "{outcome:?}");
    let unknown = Ticket { id: id(3), key: other.key };
    assert_eq!(subject(sessions, &unknown, 1).await, None);
    let tokens = sessions.tokens(&sessions.load(&ticket, at(1)).await.unwrap().unwrap());
    assert_eq!(tokens.id.unwrap().expose(), "hint");
}

async fn a_ticket_that_is_made_first_leads_to_the_session(sessions: &Arc<Sessions>) {
    let ticket = sessions.new_ticket(id(1)).unwrap().expect("sessions are stored");
    save(sessions, &session(1, "ada", None, 0), Some(&ticket)).await.unwrap();
    assert_eq!(subject(sessions, &ticket, 1).await.as_deref(), Some("ada"));
}

async fn a_session_that_has_ended_is_not_found(sessions: &Arc<Sessions>) {
    let ticket = save(sessions, &session(1, "ada", None, 0), None).await.unwrap();
    assert_eq!(subject(sessions, &ticket, ENDS - 1).await.as_deref(), Some("ada"));
    assert_eq!(subject(sessions, &ticket, ENDS).await, None);
}

/// A request that was under way while its session was signed out must not bring it back.
async fn a_session_that_was_signed_out_stays_so(sessions: &Arc<Sessions>) {
    let ada = session(1, "ada", None, 0);
    let ticket = save(sessions, &ada, None).await.unwrap();
    let other = save(sessions, &session(2, "ada", None, 0), None).await.unwrap();
    end(sessions, Revoked::Session(ada.id), 1).await;
    assert_eq!(subject(sessions, &ticket, 1).await, None);
    let outcome = save(sessions, &ada, Some(&ticket)).await;
    assert!(matches!(outcome, Err(StoreError::Ended)), "{outcome:?}");
    assert!(subject(sessions, &other, 1).await.is_some(), "her other session");
}

async fn a_login_that_was_ended_takes_its_sessions_along_and_those_to_come(
    sessions: &Arc<Sessions>,
) {
    let first = save(sessions, &session(1, "ada", Some("l1"), 0), None).await.unwrap();
    let second = save(sessions, &session(2, "ada", Some("l1"), 0), None).await.unwrap();
    let other = save(sessions, &session(3, "ada", Some("l2"), 0), None).await.unwrap();
    end(sessions, login("l1"), 1).await;
    assert_eq!(subject(sessions, &first, 1).await, None);
    assert_eq!(subject(sessions, &second, 1).await, None);
    assert!(subject(sessions, &other, 1).await.is_some());
    let late = save(sessions, &session(4, "ada", Some("l1"), 2), None).await;
    assert!(matches!(late, Err(StoreError::Ended)), "{late:?}");
}

async fn a_person_who_was_signed_out_can_sign_in_again(sessions: &Arc<Sessions>) {
    let before = save(sessions, &session(1, "ada", None, 5), None).await.unwrap();
    let bob = save(sessions, &session(2, "bob", None, 5), None).await.unwrap();
    let foreign = Session { issuer: "https://other.example".into(), ..session(3, "ada", None, 5) };
    let foreign = save(sessions, &foreign, None).await.unwrap();
    end(sessions, person("ada"), 5).await;
    assert_eq!(subject(sessions, &before, 6).await, None);
    assert!(subject(sessions, &bob, 6).await.is_some());
    assert!(subject(sessions, &foreign, 6).await.is_some());
    let after = save(sessions, &session(4, "ada", None, 6), None).await.unwrap();
    assert_eq!(subject(sessions, &after, 6).await.as_deref(), Some("ada"));
    let overtaken = save(sessions, &session(5, "ada", None, 5), None).await;
    assert!(matches!(overtaken, Err(StoreError::Ended)), "{overtaken:?}");
}

/// Its refresh token is used up: what has the old one must not win.
async fn an_older_session_does_not_replace_one_that_was_renewed(sessions: &Arc<Sessions>) {
    let old = session(1, "ada", None, 0);
    let ticket = save(sessions, &old, None).await.unwrap();
    let renewed = Session { renewals: 1, ..old.clone() };
    sessions.renewed(&renewed, Some(&ticket), None, at(1)).await.unwrap();
    save(sessions, &old, Some(&ticket)).await.unwrap();
    assert_eq!(sessions.load(&ticket, at(1)).await.unwrap().unwrap().renewals, 1);
    let touched = Session { idle_until: at(900), ..renewed };
    save(sessions, &touched, Some(&ticket)).await.unwrap();
    assert_eq!(sessions.load(&ticket, at(1)).await.unwrap().unwrap().idle_until, at(900));
}

async fn the_turn_to_renew_is_given_to_whoever_has_the_newest(sessions: &Arc<Sessions>) {
    let old = session(1, "ada", None, 0);
    let ticket = save(sessions, &old, None).await.unwrap();
    let turn = async |session: &Session| sessions.turn(session, Some(&ticket), at(1)).await;
    let hold = ours(turn(&old).await);
    let new = Session { renewals: 1, ..old.clone() };
    sessions.renewed(&new, Some(&ticket), hold, at(1)).await.unwrap();
    let done = turn(&old).await;
    assert!(matches!(&done, Ok(Turn::Done(session)) if session.renewals == 1), "{done:?}");
    let hold = ours(turn(&new).await);
    sessions.gave_up(&new, hold).await;
    end(sessions, Revoked::Session(id(1)), 1).await;
    assert!(matches!(turn(&new).await, Ok(Turn::Gone)));
}

async fn all_that_have_begun_can_be_ended_at_once(sessions: &Arc<Sessions>) {
    let ada = save(sessions, &session(1, "ada", None, 5), None).await.unwrap();
    let bob = save(sessions, &session(2, "bob", Some("l1"), 5), None).await.unwrap();
    let later = save(sessions, &session(3, "eve", None, 6), None).await.unwrap();
    end(sessions, Revoked::All, 5).await;
    assert_eq!((subject(sessions, &ada, 6).await, subject(sessions, &bob, 6).await), (None, None));
    assert_eq!(subject(sessions, &later, 6).await.as_deref(), Some("eve"));
}

async fn a_person_s_sessions_are_listed_with_what_was_noted(sessions: &Arc<Sessions>) {
    let first = session(1, "ada", None, 5);
    save(sessions, &first, None).await.unwrap();
    save(sessions, &session(2, "ada", Some("l1"), 6), None).await.unwrap();
    save(sessions, &session(3, "bob", None, 6), None).await.unwrap();
    let note = Note {
        provider: first.provider.clone(),
        subject: "ada".to_owned(),
        host: HOST.to_owned(),
        device: Some("Firefox, Linux".to_owned()),
        started: at(5),
        ends: at(ENDS),
    };
    sessions.note(&first, &note).await.unwrap();
    let listed = sessions.of_person(ISSUER, "ada", at(7)).await.unwrap();
    let seen: Vec<_> = listed.iter().map(|one| (one.id, one.note.clone())).collect();
    assert_eq!(seen, [(id(1), Some(note)), (id(2), None)]);
    assert_eq!(listed[0].used, at(5));
    end(sessions, Revoked::Session(id(1)), 7).await;
    let listed = sessions.of_person(ISSUER, "ada", at(7)).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id).collect::<Vec<_>>(), [id(2)]);
    assert!(sessions.of_person(ISSUER, "nobody", at(7)).await.unwrap().is_empty());
}

async fn a_session_without_bounds_is_not_stored(sessions: &Arc<Sessions>) {
    let huge = Session { provider: "x".repeat(MAX_BODY), ..session(1, "ada", None, 0) };
    let outcome = save(sessions, &huge, None).await;
    assert!(matches!(outcome, Err(StoreError::TooLarge(_))), "{outcome:?}");
}

#[test]
fn memory_is_bounded_and_its_indexes_with_it() {
    let shelf = Shelf::new(100_000);
    for number in 0..=255 {
        let session = session(number, &format!("p{number}"), Some(&format!("l{number}")), 0);
        shelf.put(&session, vec![0; 1000], at(0));
    }
    let (sessions, groups) = shelf.len();
    assert!((20..100).contains(&sessions), "{sessions}");
    assert_eq!(groups as u64, 2 * sessions);
    assert!(shelf.find(id(255)).is_some(), "the newest is there");
    assert!(shelf.find(id(0)).is_none());
    for number in 0..=255 {
        shelf.end(&person(&format!("p{number}")), at(0));
    }
    assert_eq!(shelf.len(), (0, 0));
}
