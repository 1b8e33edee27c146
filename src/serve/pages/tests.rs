use super::*;

fn german(pages: &Pages) -> Language {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::ACCEPT_LANGUAGE, "de".parse().unwrap());
    pages.texts().language(&headers)
}

#[test]
fn every_page_renders_in_every_language() {
    let pages = Pages::built_in();
    for language in [Language::default(), german(&pages)] {
        let choice = Choice { title: "Work".into(), link: "/l?a=1&b=2".into(), preferred: true };
        let form = SignOutForm { action: "/a", cancel: "/", return_to: Some("/x") };
        let leaving = Leaving { link: "https://op.test/?a=\"&b", key: "k", script: "go()" };
        let session = OwnSession {
            alias: "0a1b2c3d".into(),
            current: false,
            device: None,
            host: Some("<b>".into()),
            started: None,
            used: "2026-11-21 15:04".into(),
        };
        for page in [
            pages.message(
                StatusCode::FORBIDDEN,
                &Explanation::of(Reason::MissingGroup),
                language,
                "r1",
            ),
            pages.chooser(&[choice], Some("go()"), language, "r1"),
            pages.sign_out(form, language, "r1"),
            pages.leaving(leaving, language, "r1"),
            pages.own_sessions(std::slice::from_ref(&session), "/a", language, "r1"),
        ] {
            assert!(page.starts_with("<!doctype html>") && page.contains("r1"), "{page}");
            assert!(page.contains(&format!("lang=\"{}\"", pages.texts().code(language))));
            assert!(!page.contains("{{") && !page.contains("undefined"), "{page}");
        }
    }
}

#[test]
fn links_are_escaped() {
    let leaving =
        Leaving { link: "https://op.test/?a=\"><script>", key: "k", script: "if (1 < 2) go()" };
    let page = Pages::built_in().leaving(leaving, Language::default(), "r1");
    assert!(!page.contains("\"><script>"), "{page}");
    assert!(page.contains("if (1 < 2) go()"), "the script is as it was hashed: {page}");
}

#[test]
fn a_page_speaks_the_language_asked_for() {
    let pages = Pages::built_in();
    let explanation = Explanation::of(Reason::MissingGroup);
    let page = pages.message(StatusCode::FORBIDDEN, &explanation, german(&pages), "r1");
    assert!(page.contains("Sie können diese Seite nicht öffnen"), "{page}");
    assert!(page.contains("Ihr Konto ist in keiner Gruppe"), "{page}");
}

#[test]
fn a_directory_replaces_templates_and_texts() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("message.html", "<b>{{ message }}</b> {{ text.sign_in }}");
    write("texts.fr.json", r#"{"sign_in": "Se connecter"}"#);
    write("notes.txt", "not ours");
    let pages = Pages::load(directory.path()).unwrap();
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::ACCEPT_LANGUAGE, "fr".parse().unwrap());
    let french = pages.texts().language(&headers);
    let page =
        pages.message(StatusCode::NOT_FOUND, &Explanation::of(Reason::NoRoute), french, "r1");
    assert_eq!(page, "<b>There is nothing at this address.</b> Se connecter");
}

#[test]
fn a_bad_template_is_named() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("layout.html"), "{% if %}").unwrap();
    let error = Pages::load(directory.path()).unwrap_err();
    assert!(error.to_string().contains("layout.html is not a template"), "{error}");
    fs::remove_file(directory.path().join("layout.html")).unwrap();
    fs::write(directory.path().join("texts.de.json"), "[]").unwrap();
    let error = Pages::load(directory.path()).unwrap_err();
    assert!(error.to_string().contains("texts.de.json is not a JSON object"), "{error}");
}
