//! Why sessions could not be read or written, and how that is counted.

use crate::remote::sessions::MAX_BODY;
use crate::session::Session;
use crate::telemetry::metrics::StoreResult;

/// Why an operation did not come about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// What is stored under the ticket was changed, or was written by a version we do not know.
    #[error("the stored session is damaged")]
    Damaged,
    /// The session, its login or its person was signed out before.
    #[error("the session was ended before it was stored")]
    Ended,
    /// Another process renewed the session since.
    #[error("another replica has renewed the session since")]
    Late,
    /// The session is too large.
    #[error(
        "the session takes {0} bytes, more than the {MAX_BODY} that are stored; keep fewer claims"
    )]
    TooLarge(usize),
    /// The store cannot be asked. Says nothing about the session.
    #[error("the session store is not available: {0}")]
    Unavailable(String),
}

pub(super) const fn result_of_load(outcome: &Result<Option<Session>, StoreError>) -> StoreResult {
    match outcome {
        Ok(Some(_)) => StoreResult::Ok,
        Ok(None) => StoreResult::Missing,
        Err(error) => result_of_error(error),
    }
}

pub(super) const fn result_of<T>(outcome: &Result<T, StoreError>) -> StoreResult {
    match outcome {
        Ok(_) => StoreResult::Ok,
        Err(error) => result_of_error(error),
    }
}

const fn result_of_error(error: &StoreError) -> StoreResult {
    match error {
        StoreError::Damaged | StoreError::TooLarge(_) => StoreResult::Damaged,
        StoreError::Ended | StoreError::Late => StoreResult::Ended,
        StoreError::Unavailable(_) => StoreResult::Unavailable,
    }
}
