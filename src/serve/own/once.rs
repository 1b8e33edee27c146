//! Codes that count once: in this process, and in all that share its store.

use crate::base::time::Timestamp;
use crate::remote::replay::{FirstUse, OneTime};
use crate::serve::own::establish::Failed;
use crate::serve::own::failure::Failure;
use crate::serve::own::visit::Visit;

/// Uses the code called `id` of the kind `what`, which is good until `until`. Where nobody can tell whether it was used before, it is
/// as good as used.
pub(crate) async fn used_first(
    visit: &Visit<'_>,
    (what, id): (OneTime, &[u8]),
    until: Timestamp,
) -> Result<(), Failed> {
    let (sessions, uses) = (Some(&*visit.desk.sessions), &visit.desk.first_uses);
    match uses.claim_everywhere(sessions, (what, "", id), until, visit.now).await {
        FirstUse::Again => {
            Err((Failure::AttemptExpired, Some("the code was used before".to_owned())))
        }
        FirstUse::First => Ok(()),
        FirstUse::Unknown => {
            let detail = "nobody can tell whether the code was used before".to_owned();
            Err((Failure::StoreUnavailable, Some(detail)))
        }
    }
}
