//! What holds of Redis alone: several processes, and a store that fails.

use std::time::Duration;

use super::*;
use crate::remote::sessions::redis::Listener;
use crate::remote::sessions::tests::fleet::eventually;
use crate::remote::sessions::tests::server::Server;

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
    let mut listener = Listener::default();
    end(&here, login("l1"), 1).await;
    there.catch_up(&mut listener, at(1)).await.unwrap();
    assert_eq!((there.revocations.len(), there.revocations.epoch()), (1, 1));
    there.catch_up(&mut listener, at(1)).await.unwrap();
    assert_eq!(there.revocations.epoch(), 1, "once");
    end(&here, person("ada"), 2).await;
    there.catch_up(&mut listener, at(2)).await.unwrap();
    assert!(there.revocations.is_revoked(&session(1, "ada", None, 2), at(2)));
    let epoch = here.revocations.epoch();
    here.catch_up(&mut Listener::default(), at(2)).await.unwrap();
    assert_eq!(here.revocations.epoch(), epoch, "one's own is no news");
    server.command::<()>(&["FLUSHALL"]).await;
    end(&here, login("l2"), 3).await;
    there.catch_up(&mut listener, at(3)).await.unwrap();
    assert!(there.revocations.is_revoked(&session(1, "eve", Some("l2"), 0), at(3)));
}

/// A server that lost everything gives the names of its entries out anew, in the same millisecond even.
#[tokio::test]
async fn an_entry_of_the_same_name_that_says_something_else_is_heard() {
    another_end_is_heard(&["FLUSHALL"], str::to_owned).await;
}

/// Thousands of ends while a process was cut off: it hears of every one.
#[tokio::test]
async fn a_process_that_was_cut_off_hears_of_everything() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let mut listener = Listener::default();
    there.catch_up(&mut listener, at(1)).await.unwrap();
    for number in 0..2500 {
        end(&here, login(&format!("l{number}")), 1).await;
    }
    there.catch_up(&mut listener, at(1)).await.unwrap();
    // What a process remembers is bounded; here to less than there was.
    assert_eq!((there.revocations.epoch(), there.revocations.len()), (2500, 1000));
}

/// Another server may have taken over whose clock is behind: its entries sort before those that were read.
#[tokio::test]
async fn an_entry_that_sorts_before_the_newest_is_heard_all_the_same() {
    let earlier = |name: &str| {
        let milliseconds: u64 = name.split('-').next().unwrap().parse().unwrap();
        format!("{}-0", milliseconds - 1000)
    };
    another_end_is_heard(&["DEL", "sidegate:ends"], earlier).await;
}

/// A process has heard of an end. Then the server loses it by `losing`, and another process tells of another end, under the name that
/// `renamed` makes of the first one's.
async fn another_end_is_heard(losing: &[&str], renamed: impl Fn(&str) -> String) {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let mut listener = Listener::default();
    end(&here, login("l1"), 1).await;
    there.catch_up(&mut listener, at(1)).await.unwrap();
    let (name, fields) = only_entry(&server).await;
    server.command::<()>(losing).await;
    let (name, line) = (renamed(&name), fields[3].replace("l1", "l2"));
    server.command::<()>(&["XADD", "sidegate:ends", &name, "p", "other", "l", &line]).await;
    there.catch_up(&mut listener, at(1)).await.unwrap();
    assert!(there.revocations.is_revoked(&session(1, "eve", Some("l2"), 0), at(1)));
}

/// A primary that died had confirmed what its successor does not have.
#[tokio::test]
async fn what_was_ended_lately_is_told_again_to_another_server() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    tokio::spawn(Sessions::follow(Arc::downgrade(&here), Clock::fixed(at(1))));
    let ticket = save(&there, &session(1, "ada", Some("l1"), 0), None).await.unwrap();
    let kept: Vec<u8> = server.command(&["GET", &format!("sidegate:s:{{{}}}", id(1).text())]).await;
    eventually(async || here.remote().is_some_and(|remote| remote.connection() > 0)).await;
    end(&here, login("l1"), 1).await;
    assert_eq!(subject(&there, &ticket, 1).await, None);
    // All that the successor has is the session.
    server.command::<()>(&["FLUSHALL"]).await;
    let mut restored = ::redis::cmd("SET");
    restored.arg(format!("sidegate:s:{{{}}}", id(1).text())).arg(kept);
    restored.exec_async(&mut server.connection().await).await.unwrap();
    assert!(subject(&there, &ticket, 1).await.is_some());
    server.command::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    eventually(async || {
        there.catch_up(&mut Listener::default(), at(1)).await.unwrap();
        there.revocations.is_revoked(&session(1, "ada", Some("l1"), 0), at(1))
    })
    .await;
}

/// The stream's one entry: its name, and its fields.
async fn only_entry(server: &Server) -> (String, Vec<String>) {
    let mut entries: Vec<(String, Vec<String>)> =
        server.command(&["XRANGE", "sidegate:ends", "-", "+"]).await;
    assert_eq!(entries.len(), 1);
    entries.remove(0)
}

#[tokio::test]
async fn what_is_used_once_is_used_for_all_processes() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let window = Duration::from_secs(60);
    assert!(here.use_once("a", window).await.unwrap());
    assert!(!there.use_once("a", window).await.unwrap());
    assert!(there.use_once("b", window).await.unwrap());
}

/// x046: of several processes one uses the refresh token, the others get what it got.
#[tokio::test]
async fn of_several_processes_one_renews() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let old = session(1, "ada", None, 0);
    let ticket = save(&here, &old, None).await.unwrap();
    let hold = ours(here.turn(&old, Some(&ticket), at(1)).await);
    let waiting = there.turn(&old, Some(&ticket), at(1));
    let new = Session { renewals: 1, ..old.clone() };
    let renewing = here.renewed(&new, Some(&ticket), hold, at(1));
    let (turn, written) = tokio::join!(waiting, renewing);
    assert_eq!(written.unwrap(), Written::Kept);
    assert!(matches!(&turn, Ok(Turn::Done(session)) if session.renewals == 1), "{turn:?}");
    assert!(ours(here.turn(&new, Some(&ticket), at(1)).await).is_some());
}

/// The same where the cookie has the session: those who come with the old one get the new one, at any replica.
#[tokio::test]
async fn of_several_processes_one_renews_what_is_in_its_cookie() {
    let Some(server) = Server::start() else { return };
    let settings = StoreSettings::Coordinated(server.redis());
    let (here, there) = (process(&settings), process(&settings));
    let old = session(1, "ada", None, 0);
    let hold = ours(here.turn(&old, None, at(1)).await);
    assert!(hold.is_some());
    let waiting = there.turn(&old, None, at(1));
    let mut new = Session { renewals: 1, ..old.clone() };
    new.tokens.refresh = Some(Secret::new("the next one".to_owned()));
    let (turn, written) = tokio::join!(waiting, here.renewed(&new, None, hold, at(1)));
    assert_eq!(written.unwrap(), Written::Kept);
    let Ok(Turn::Done(found)) = turn else { panic!("{turn:?}") };
    assert_eq!(found.tokens.refresh.as_ref().unwrap().expose(), "the next one");
    for key in server.command::<Vec<String>>(&["KEYS", "*r:*"]).await {
        let kept: Vec<u8> = server.command(&["GET", &key]).await;
        assert!(!String::from_utf8_lossy(&kept).contains("next"), "sealed");
    }
    end(&here, Revoked::Session(old.id), 2).await;
    let mut listener = Listener::default();
    there.catch_up(&mut listener, at(2)).await.unwrap();
    let hold = ours(there.turn(&new, None, at(2)).await);
    let late = there.renewed(&Session { renewals: 2, ..new }, None, hold, at(2)).await;
    assert!(matches!(late, Err(StoreError::Ended)), "{late:?}");
}

/// A process that slept while its turn ran out must not undo what another did since.
#[tokio::test]
async fn what_is_written_after_ones_turn_is_refused() {
    let Some(server) = Server::start() else { return };
    let (here, there) = (process(&server.settings()), process(&server.settings()));
    let old = session(1, "ada", None, 0);
    let ticket = save(&here, &old, None).await.unwrap();
    let asleep = ours(here.turn(&old, Some(&ticket), at(1)).await);
    server.command::<()>(&["DEL", &format!("sidegate:t:{{{}}}", old.id.text())]).await;
    let awake = ours(there.turn(&old, Some(&ticket), at(40)).await);
    let new = |idle| Session { renewals: 1, idle_until: at(idle), ..old.clone() };
    let late = here.renewed(&new(100), Some(&ticket), asleep, at(40)).await;
    assert!(matches!(late, Err(StoreError::Late)), "{late:?}");
    assert_eq!(
        there.renewed(&new(200), Some(&ticket), awake, at(40)).await.unwrap(),
        Written::Kept
    );
    assert_eq!(here.load(&ticket, at(41)).await.unwrap().unwrap().idle_until, at(200));
}

/// A process that does not know what the others ended believes no cookie.
#[tokio::test]
async fn cookies_are_believed_once_it_is_known_what_was_ended() {
    let Some(server) = Server::start() else { return };
    let before = process(&StoreSettings::Coordinated(server.redis()));
    end(&before, login("l1"), 1).await;
    let sessions = process(&StoreSettings::Coordinated(server.redis()));
    assert!(sessions.revocations().is_none() && sessions.not_ready().is_some());
    sessions.catch_up(&mut Listener::default(), at(1)).await.unwrap();
    let known = sessions.revocations().expect("it has heard");
    assert!(known.is_revoked(&session(1, "ada", Some("l1"), 0), at(1)));
    assert!(sessions.not_ready().is_none());
    let settings = StoreSettings::Coordinated(server.redis());
    let reloaded = sessions.reconfigured(&settings, keys()).unwrap();
    assert!(reloaded.revocations().is_some(), "a reload forgets nothing");
    assert!(process(&StoreSettings::Cookie).revocations().is_some(), "nobody else ends anything");
}

/// oauth2-proxy #1690: the server closes what was idle, and somebody's next request failed.
#[tokio::test]
async fn a_connection_that_was_closed_is_made_anew_unnoticed() {
    let Some(server) = Server::start() else { return };
    let sessions = process(&server.settings());
    let ticket = save(&sessions, &session(1, "ada", None, 0), None).await.unwrap();
    for _ in 0..3 {
        server.command::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
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
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
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
    let names: Vec<String> = server.command(&["KEYS", "*"]).await;
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names.iter().filter(|name| name.contains(":s:")) {
        let all: Vec<u8> = server.command(&["GET", name]).await;
        let text = String::from_utf8_lossy(&all);
        assert!(["ada", "refresh", "login"].iter().all(|word| !text.contains(word)), "{text}");
    }
    for name in names {
        let left: i64 = server.command(&["TTL", &name]).await;
        assert!((1..=1000).contains(&left), "{name} goes by itself: {left}");
    }
}
