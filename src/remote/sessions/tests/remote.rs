//! What holds of Redis alone: several processes, and a store that fails.

use super::*;
use crate::remote::sessions::tests::server::Server;

/// The store itself, spoken to by somebody else.
async fn command(server: &Server, words: &[&str]) {
    let client = server.redis().client().unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = ::redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(&mut connection).await.unwrap();
}

#[tokio::test]
async fn what_one_process_ends_is_ended_for_all() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let ada = session(1, "ada", Some("l1"), 0);
    let ticket = save(&here, &ada, None).await.unwrap();
    assert!(subject(&there, &ticket, 1).await.is_some());
    end(&here, login("l1"), 1).await;
    end(&here, person("bob"), 1).await;
    assert_eq!(subject(&there, &ticket, 1).await, None);
    for late in [ada, session(2, "eve", Some("l1"), 5), session(3, "bob", None, 1)] {
        let outcome = save(&there, &late, None).await;
        assert!(matches!(outcome, Err(StoreError::Ended)), "{outcome:?}");
    }
    assert!(save(&there, &session(4, "bob", None, 2), None).await.is_ok());
}

/// Callers are remembered without asking the store: their processes must hear of what was ended.
#[tokio::test]
async fn what_one_process_ends_is_told_to_the_others_once() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    end(&here, login("l1"), 1).await;
    let next = there.catch_up(0, at(1)).await.unwrap();
    assert_eq!((next, there.revocations.len(), there.revocations.epoch()), (1, 1, 1));
    assert_eq!(there.catch_up(next, at(1)).await.unwrap(), next);
    assert_eq!(there.revocations.epoch(), 1, "once");
    end(&here, person("ada"), 2).await;
    assert_eq!(there.catch_up(next, at(2)).await.unwrap(), 2);
    assert!(there.revocations.is_revoked(&session(1, "ada", None, 2), at(2)));
    let epoch = here.revocations.epoch();
    here.catch_up(0, at(2)).await.unwrap();
    assert_eq!(here.revocations.epoch(), epoch, "one's own is no news");
    command(&server, &["FLUSHALL"]).await;
    end(&here, login("l2"), 3).await;
    assert_eq!(there.catch_up(2, at(3)).await.unwrap(), 1, "the store has begun anew");
    assert!(there.revocations.is_revoked(&session(1, "eve", Some("l2"), 0), at(3)));
}

/// x046: of several processes one uses the refresh token, the others get what it got.
#[tokio::test]
async fn what_is_used_once_is_used_for_all_processes() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let window = Duration::from_secs(60);
    assert!(here.use_once(&[1; 16], window).await.unwrap());
    assert!(!there.use_once(&[1; 16], window).await.unwrap());
    assert!(there.use_once(&[2; 16], window).await.unwrap());
}

#[tokio::test]
async fn of_several_processes_one_renews() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let old = session(1, "ada", None, 0);
    let ticket = save(&here, &old, None).await.unwrap();
    assert!(matches!(here.turn(&ticket, 0, at(1)).await, Ok(Turn::Ours)));
    let waiting = there.turn(&ticket, 0, at(1));
    let renewing = async {
        here.renewed(&Session { renewals: 1, ..old }, Some(&ticket), at(1)).await.unwrap();
        here.end_turn(&ticket).await;
    };
    let (turn, ()) = tokio::join!(waiting, renewing);
    assert!(matches!(&turn, Ok(Turn::Done(session)) if session.renewals == 1), "{turn:?}");
    there.end_turn(&ticket).await;
    assert!(matches!(here.turn(&ticket, 1, at(1)).await, Ok(Turn::Ours)));
}

/// oauth2-proxy #1690: the server closes what was idle, and somebody's next request failed.
#[tokio::test]
async fn a_connection_that_was_closed_is_made_anew_unnoticed() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let ticket = save(&sessions, &session(1, "ada", None, 0), None).await.unwrap();
    for _ in 0..3 {
        command(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
        assert_eq!(subject(&sessions, &ticket, 1).await.as_deref(), Some("ada"));
    }
}

/// oauth2-proxy #1630 and #1784: a store that is away for a moment signed everybody out.
#[tokio::test]
async fn a_store_that_hangs_is_an_error_in_time_and_no_absent_session() {
    let Some(server) = Server::start() else { return };
    let generous = process(&server.settings());
    let ticket = save(&generous, &session(1, "ada", None, 0), None).await.unwrap();
    let hasty = RedisSettings { deadline: Duration::from_millis(50), ..server.redis() };
    let hasty = process(&StoreSettings::Redis(hasty));
    server.signal("-STOP");
    let outcome = hasty.load(&ticket, at(1)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(hasty.check().await.is_err());
    let outcome = hasty.end(&login("l1"), at(1), at(ENDS), at(1)).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(hasty.revocations.len(), 1, "ended here all the same");
    server.signal("-CONT");
    assert_eq!(subject(&generous, &ticket, 1).await.as_deref(), Some("ada"));
    assert!(generous.check().await.is_ok());
}

#[tokio::test]
async fn a_store_that_is_gone_is_an_error() {
    let Some(server) = Server::start() else { return };
    let settings = server.settings();
    drop(server);
    let outcome = process(&settings).check().await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_full_store_refuses_new_sessions_and_keeps_the_old() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let ticket = save(&sessions, &session(1, "ada", None, 0), None).await.unwrap();
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let outcome = save(&sessions, &session(2, "bob", None, 0), None).await.unwrap_err();
    assert!(outcome.to_string().contains("OOM"), "{outcome}");
    assert_eq!(subject(&sessions, &ticket, 1).await.as_deref(), Some("ada"));
}

#[tokio::test]
async fn user_and_password_count_and_are_not_shown() {
    let Some(server) = Server::start_with(&["--user", "app", "on", ">hunter2", "~app:*", "+@all"])
    else {
        return;
    };
    let with = |password: &str| {
        let mut settings = server.redis();
        settings.username = Some("app".to_owned());
        settings.password = Some(Secret::new(password.to_owned()));
        settings.prefix = "app:".to_owned();
        process(&StoreSettings::Redis(settings))
    };
    with("hunter2").check().await.unwrap();
    let error = with("wrong-word").check().await.unwrap_err().to_string();
    assert!(error.contains("password") && !error.contains("wrong-word"), "{error}");
}

/// What is in the store leads to no session and no person.
#[tokio::test]
async fn whoever_reads_the_store_learns_nothing() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    save(&sessions, &session(1, "ada", Some("l1"), 0), None).await.unwrap();
    let client = server.redis().client().unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let names: Vec<String> =
        ::redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names.iter().filter(|name| name.contains(":s:")) {
        let fields: Vec<Vec<u8>> =
            ::redis::cmd("HVALS").arg(name).query_async(&mut connection).await.unwrap();
        let all = fields.concat();
        let text = String::from_utf8_lossy(&all);
        assert!(["ada", "refresh", "login"].iter().all(|word| !text.contains(word)), "{text}");
    }
    for name in names {
        let left: i64 = ::redis::cmd("TTL").arg(&name).query_async(&mut connection).await.unwrap();
        assert!((1..=1000).contains(&left), "{name} goes by itself: {left}");
    }
}
