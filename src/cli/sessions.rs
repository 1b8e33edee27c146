//! `sidegate sessions`: which sessions there are in a store that replicas share, and their end.

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use crate::base::time::Timestamp;
use crate::cli::output::print;
use crate::cli::{ConfigFile, Failure, run};
use crate::clock::Clock;
use crate::remote::sessions::{Known, Sessions, StoreSettings};
use crate::serve::settings::{ServiceSettings, SignInSettings};
use crate::session::{RevocationSet, Revoked, SessionId};
use crate::telemetry::audit::Moment;
use crate::telemetry::metrics::Metrics;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the sessions in the store, or those of one person
    List(List),
    /// End sessions, at all replicas
    End(End),
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// Only the sessions of this person, by the provider's `sub`
    #[arg(long)]
    subject: Option<String>,
    /// Whose `sub` that is; needed where people sign in at several providers
    #[arg(long, requires = "subject")]
    issuer: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct End {
    #[command(flatten)]
    config: ConfigFile,
    #[command(flatten)]
    whose: Whose,
    /// Whose `sub` or `sid` that is; needed where people sign in at several providers
    #[arg(long, conflicts_with = "all")]
    issuer: Option<String>,
    /// Tell the outcome as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Whose {
    /// All sessions of this person, by the provider's `sub`
    #[arg(long)]
    subject: Option<String>,
    /// All that came of this session at the provider
    #[arg(long)]
    sid: Option<String>,
    /// One session, as `list` names it
    #[arg(long, value_name = "NAME")]
    session: Option<String>,
    /// Every session: everybody signs in again
    #[arg(long)]
    all: bool,
}

/// The store as the configuration has it.
struct Store {
    sessions: Sessions,
    issuers: Vec<String>,
    /// How long what is ended must be remembered.
    keep_until: Timestamp,
    now: Timestamp,
    /// Whether there is a list.
    is_listed: bool,
}

pub(crate) fn main(arguments: &Arguments) -> Result<(), Failure> {
    let text = match &arguments.action {
        Action::List(list) => run::runtime(1)?.block_on(self::list(list))?,
        Action::End(end) => run::runtime(1)?.block_on(self::end(end))?,
    };
    Ok(print(&text)?)
}

async fn list(arguments: &List) -> Result<String, Failure> {
    let store = Store::open(&arguments.config)?;
    let known = match &arguments.subject {
        Some(subject) => {
            let issuer = store.issuer(arguments.issuer.as_deref())?;
            store.sessions.of_person(&issuer, subject, store.now).await
        }
        None => store.sessions.everybodys().await,
    };
    let known = known.map_err(anyhow::Error::from)?;
    if arguments.json {
        let all: Vec<Value> = known.iter().map(value).collect();
        return Ok(format!("{}\n", Value::Array(all)));
    }
    let lines: String = known.iter().map(line).collect();
    Ok(format!("{lines}{} sessions\n", known.len()))
}

async fn end(arguments: &End) -> Result<String, Failure> {
    let store = Store::open(&arguments.config)?;
    let Whose { subject, sid, session, all } = &arguments.whose;
    let issuer = || store.issuer(arguments.issuer.as_deref());
    let (what, told) = match (subject, sid, session, all) {
        (Some(subject), ..) => {
            let issuer = issuer()?;
            (Revoked::Subject { issuer, subject: subject.clone() }, format!("those of {subject}"))
        }
        (_, Some(sid), ..) => {
            let issuer = issuer()?;
            (Revoked::Sid { issuer, sid: sid.clone() }, format!("those of the login {sid}"))
        }
        (_, _, Some(name), _) => {
            (Revoked::Session(store.named(name).await?), format!("the session {name}"))
        }
        (None, None, None, _) => (Revoked::All, "all sessions".to_owned()),
    };
    let ended = store.sessions.end(&what, store.now, store.keep_until, store.now).await;
    ended.context("not all of them could be ended; try again")?;
    if arguments.json {
        return Ok(format!("{}\n", json!({ "ended": told, "at": store.now.as_secs() })));
    }
    Ok(format!("ended: {told}, begun by {}\n", moment(store.now)))
}

impl Store {
    fn open(config: &ConfigFile) -> Result<Self, Failure> {
        let ServiceSettings { policy, sign_in, .. } = config.load()?.settings.service;
        let (Some(sign_in), Some(policy)) = (sign_in, policy.sessions) else {
            return Err(anyhow!(
                "nobody signs in here: there is no `session:`, or no provider with a client"
            )
            .into());
        };
        let is_listed = is_shared(&sign_in)?;
        let (now, metrics) = (Clock::system().now(), Metrics::new().sessions());
        let revocations = RevocationSet::new(1).into();
        let sessions = Sessions::new(&sign_in.store, policy.keys, revocations, None, metrics);
        let mut issuers: Vec<String> = sign_in
            .parties
            .iter()
            .map(|party| party.relying_party.metadata.issuer.clone())
            .collect();
        issuers.dedup();
        let keep_until = now + policy.limits.absolute;
        let sessions = sessions.context("the store cannot be used")?;
        Ok(Self { sessions, issuers, keep_until, now, is_listed })
    }

    /// The issuer that was named, or the only one there is.
    fn issuer(&self, named: Option<&str>) -> Result<String, Failure> {
        match (named, self.issuers.as_slice()) {
            (Some(named), known) if known.iter().any(|one| one == named) => Ok(named.to_owned()),
            (None, [only]) => Ok(only.clone()),
            (Some(named), known) => {
                let known = known.join(", ");
                Err(Failure::Usage(anyhow!(
                    "no provider has the issuer `{named}`; there are: {known}"
                )))
            }
            (None, known) => {
                let known = known.join(", ");
                Err(Failure::Usage(anyhow!(
                    "there are several providers; add --issuer with one of: {known}"
                )))
            }
        }
    }

    async fn named(&self, name: &str) -> Result<SessionId, Failure> {
        if !self.is_listed {
            return Err(anyhow!(
                "sessions are in the cookies of browsers: none can be told by its name"
            )
            .into());
        }
        let known = self.sessions.everybodys().await.map_err(anyhow::Error::from)?;
        let mut found = known.iter().filter(|one| one.id.alias() == name);
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.id),
            (None, _) => {
                Err(anyhow!("there is no session `{name}`; see `sidegate sessions list`").into())
            }
            (Some(_), Some(_)) => {
                Err(anyhow!("two sessions are called `{name}`; end those of the person").into())
            }
        }
    }
}

/// Whether the store has a list; an error where nothing of it can be seen from here.
fn is_shared(sign_in: &SignInSettings) -> Result<bool, Failure> {
    match sign_in.store {
        StoreSettings::Redis(_) => Ok(true),
        StoreSettings::Coordinated(_) => Ok(false),
        StoreSettings::Cookie => Err(anyhow!(
            "sessions are in the cookies of browsers, and replicas do not agree on anything: add `coordination:` or a store in Redis to `session:`"
        )
        .into()),
        StoreSettings::Memory(_) => Err(anyhow!(
            "sessions are in the memory of the running process; write a store in Redis to see them from here"
        )
        .into()),
    }
}

fn value(one: &Known) -> Value {
    let note = one.note.as_ref();
    json!({
        "session": one.id.alias(),
        "provider": note.map(|note| note.provider.as_str()),
        "subject": note.map(|note| note.subject.as_str()),
        "host": note.map(|note| note.host.as_str()),
        "device": note.and_then(|note| note.device.as_deref()),
        "started_at": note.map(|note| note.started.as_secs()),
        "used_at": one.used.as_secs(),
        "expires_at": note.map(|note| note.ends.as_secs()),
    })
}

fn line(one: &Known) -> String {
    let (alias, used) = (one.id.alias(), moment(one.used));
    match &one.note {
        Some(note) => format!(
            "{alias}  {}  used {used}  begun {}  {}  {}\n",
            shown(&note.subject),
            moment(note.started),
            note.host,
            shown(note.device.as_deref().unwrap_or("-")),
        ),
        None => {
            format!("{alias}  (sealed with a key that is not among `session.keys`)  used {used}\n")
        }
    }
}

/// Subjects are the provider's words: nothing in them moves the cursor.
fn shown(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { '\u{fffd}' } else { one }).collect()
}

fn moment(time: Timestamp) -> String {
    let moment = Moment { unix_millis: time.as_secs().saturating_mul(1000) };
    moment.to_string().replace(".000Z", "Z")
}
