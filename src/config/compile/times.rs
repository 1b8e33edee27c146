//! Durations and sizes within the bounds that make sense where they stand.

use crate::config::path::KeyPath;
use crate::config::problem::Report;
use crate::config::units::{Size, Span};
use std::time::Duration;

/// `span`, if it is neither shorter than `least` nor longer than `most`.
pub(super) fn span(
    span: Span,
    least: Span,
    most: Span,
    path: &KeyPath,
    report: &mut Report,
) -> Option<Duration> {
    if span < least {
        report.refuse(path, format!("{span} is too short"), format!("write {least} or more"));
        return None;
    }
    if span > most {
        report.refuse(path, format!("{span} is too long"), format!("write {most} or less"));
        return None;
    }
    Some(span.0)
}

/// `span`, if it is at least a millisecond: nothing ends before it begins.
pub(super) fn deadline(value: Span, path: &KeyPath, report: &mut Report) -> Option<Duration> {
    span(value, Span(Duration::from_millis(1)), Span::secs(365 * 86_400), path, report)
}

/// `size` in bytes, if it is neither smaller than `least` nor larger than `most`.
pub(super) fn size(
    size: Size,
    least: Size,
    most: Size,
    path: &KeyPath,
    report: &mut Report,
) -> Option<usize> {
    if size < least {
        report.refuse(path, format!("{size} is too small"), format!("write {least} or more"));
        return None;
    }
    if size > most {
        report.refuse(path, format!("{size} is too large"), format!("write {most} or less"));
        return None;
    }
    Some(size.bytes())
}
