//! Sessions in their cookies.

use super::*;

#[tokio::test]
async fn a_cookie_holds_the_session_without_its_bulk() {
    let sessions = process(&StoreSettings::Cookie);
    let (spec, ada) = (spec(), session(1, "ada", None, 0));
    let place = Place { spec: &spec, host: HOST };
    let cookie = sessions.save(&ada, None, place, at(0)).await.unwrap();
    let opened = Session::open(&keys(), &spec, HOST, &cookie).unwrap();
    assert_eq!(opened.tokens.refresh.as_ref().unwrap().expose(), "refresh");
    assert!(opened.tokens.access.is_none() && opened.tokens.id.is_none());
    let tokens = sessions.tokens(&opened);
    assert_eq!(
        (tokens.id.unwrap().expose().as_str(), tokens.access.unwrap().expose().as_str()),
        ("hint", "access")
    );
    sessions.save(&opened, None, place, at(1)).await.unwrap();
    assert!(sessions.tokens(&opened).id.is_some(), "a touch takes nothing away");
    end(&sessions, Revoked::Session(ada.id), 2).await;
    assert!(sessions.tokens(&opened).id.is_none());
    let outcome = sessions.save(&opened, None, place, at(2)).await;
    assert!(matches!(outcome, Err(StoreError::Ended)), "{outcome:?}");
}

#[tokio::test]
async fn each_cookie_is_sealed_with_a_nonce_of_its_own() {
    let sessions = process(&StoreSettings::Cookie);
    let (spec, ada) = (spec(), session(1, "ada", None, 0));
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let place = Place { spec: &spec, host: HOST };
        assert!(seen.insert(sessions.save(&ada, None, place, at(0)).await.unwrap()));
    }
}

#[tokio::test]
async fn what_is_ended_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ended");
    let metrics = Metrics::new().sessions();
    let open = |revocations: &RevocationSet| {
        Arc::new(Journal::open(&path, revocations, Clock::fixed(at(0)), metrics.clone()).unwrap())
    };
    let before = Arc::new(RevocationSet::new(10));
    let journal = open(&before);
    let settings = StoreSettings::Cookie;
    let sessions =
        Sessions::new(&settings, keys(), before, Some(Arc::clone(&journal)), metrics.clone());
    end(&sessions.unwrap(), login("l1"), 1).await;
    journal.flush().await;
    let after = RevocationSet::new(10);
    open(&after);
    assert!(after.is_revoked(&session(1, "ada", Some("l1"), 0), at(2)));
    assert!(!after.is_revoked(&session(1, "ada", Some("l2"), 0), at(2)));
}
