//! What `sidegate demo` prints once it runs. Every line with a command works as it stands.

use super::addresses::Addresses;
use super::people;

/// The introduction: the addresses, the users, and what to try. It holds no token: the commands fetch their own.
pub fn introduction(addresses: &Addresses) -> String {
    let (app, login) = (addresses.app_url(), addresses.issuer());
    let (users, password, code) = (users(), people::PASSWORD, people::CODE);
    let bearer = |user: &str| {
        format!("curl -H \"Authorization: Bearer $(curl -sX POST '{login}/bearer?user={user}')\"")
    };
    let (ada, bob) = (bearer("ada"), bearer("bob"));
    format!(
        "\
Sidegate's demo is running: a login service, an app, and sidegate before the app.

  Open  {app}/

Users, all with the password `{password}`:
{users}
Try in the browser:
  {app}/          sign in with OpenID Connect, and see who the app thinks you are
  {app}/public    no sign-in needed
  {app}/guest     for everybody; knows you if you are signed in
  {app}/admin     for the group admin: ada may, bob may not
  {app}/fresh     asks for the password again after a minute
  {app}/mfa       asks for a second factor; the code is {code}
  {app}/sso       signed in by a cookie of the login service that is a JWT
  {login}/signout   sign out at the login service: the app's session ends too

Try with curl:
  curl -i {app}/
  {ada} -H 'Accept: application/json' {app}/
  {bob} -i {app}/admin
  curl -sLb '' -d 'user=ada&password={password}' --data-urlencode 'rd={app}/sso' -H 'Accept: application/json' {login}/signin

Rotate the login service's keys; tokens signed before stay valid, unless they are to be forgotten:
  curl -X POST '{login}/rotate'
  curl -X POST '{login}/rotate?forget=1'

Stop it with Ctrl-C.
"
    )
}

fn users() -> String {
    people::EVERYBODY
        .iter()
        .map(|person| format!("  {:<6}{}\n", person.id, person.groups.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::addresses::samples;

    #[test]
    fn it_names_the_addresses_the_users_and_the_password() {
        let text = introduction(&samples());
        for part in [
            "http://127.0.0.1:8080/\n",
            "http://127.0.0.1:9090/rotate",
            "ada   admin, staff",
            "bob   staff",
            "`demo`",
        ] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
        assert!(!text.contains("3000"), "the echo app is reached through sidegate only");
    }
}
