//! The conformance table of sign-in: every case of the OpenID certification for relying parties that fits the code flow, and
//! cases of our own beyond it, each against a strict provider that misbehaves in one way.
//!
//! A test runs the cases of one group, names all that differ, and compares the group's section of `docs/conformance.md`
//! with what it saw; `UPDATE=1` rewrites the section instead.

mod authorization;
mod back_channel;
mod cookies;
mod discovery;
mod id_token;
mod jwks;
mod logout;
mod refresh;
mod report;
mod row;
mod stage;
mod token_endpoint;
mod userinfo;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{LocalSet, spawn_local};

use crate::support::misbehaving::Misbehaving;

use self::report::{Line, Outcome};
use self::row::{Kind, Row};
use self::stage::Stage;

/// How many cases run at once.
const PARALLEL: usize = 3;

/// Runs `rows`, whose section in the document is called `group`.
async fn run(group: &str, rows: Vec<Row>) {
    let Some(program) = Misbehaving::start().await else { return };
    let lines = LocalSet::new().run_until(judge_all(Arc::new(program), rows)).await;
    report::settle(group, &lines);
}

async fn judge_all(program: Arc<Misbehaving>, rows: Vec<Row>) -> Vec<Line> {
    let places = Arc::new(Semaphore::new(PARALLEL));
    let begin = |(number, row): (usize, Row)| {
        // Several rows may have one id.
        let name = format!("case-{number}");
        spawn_local(judge(Arc::clone(&places), Arc::clone(&program), name, row))
    };
    let under_way: Vec<_> = rows.into_iter().enumerate().map(begin).collect();
    let mut lines = Vec::new();
    for line in under_way {
        lines.push(line.await.unwrap());
    }
    lines
}

/// Runs the check of `row`, in a task of its own: a panic is a result, too.
async fn judge(places: Arc<Semaphore>, program: Arc<Misbehaving>, name: String, row: Row) -> Line {
    let Row { id, case, expected, kind, plan } = row;
    let _place = places.acquire().await.unwrap();
    let outcome = match kind {
        Kind::Check(check) => {
            let task = spawn_local(async move {
                let stage = Arc::new(Stage::start(&program, &name, plan).await);
                check(Arc::clone(&stage)).await;
                stage.nothing_broke();
            });
            task.await
                .map_or_else(|error| Outcome::Differs(message(error)), |()| Outcome::AsExpected)
        }
        Kind::Elsewhere(test) => Outcome::Elsewhere(test),
        Kind::NotApplicable(why) => Outcome::NotApplicable(why),
    };
    Line { id, case, expected, outcome }
}

fn message(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}
