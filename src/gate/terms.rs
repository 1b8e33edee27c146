//! What a front proxy asks of a request beyond what the request itself says.

use crate::gate::authorize::Rule;

/// The terms under which a front proxy has a request judged. They narrow: nobody passes by them whom the route refuses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The route by name, where the front proxy has chosen it; none: the one of host and path.
    pub route: Option<String>,
    /// What callers must be or have beside what the route asks for. If there is one, nobody passes without an identity.
    pub rule: Option<Rule>,
}
