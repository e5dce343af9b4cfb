use http::HeaderValue;

use super::{Credentials, MAX_LOGINS, VerifiedLogins};

fn parse(text: &str) -> Option<(String, String)> {
    let found = Credentials::parse(&HeaderValue::from_str(text).unwrap())?;
    Some((found.user().to_owned(), found.password().to_owned()))
}

#[test]
fn only_well_formed_basic_credentials_are_read() {
    let pair = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
    let rows = [
        ("Basic Zm9vOmJhcg==", pair("foo", "bar")),
        ("basic Zm9vOmJhcg==", pair("foo", "bar")),
        ("BASIC  Zm9vOmJhcg==", pair("foo", "bar")),
        ("Basic Zm9vOmE6Yg==", pair("foo", "a:b")),
        ("Basic Og==", pair("", "")),
        ("Basic Zm9v", None),
        ("Basic !!!", None),
        ("Basic", None),
        ("Bearer Zm9vOmJhcg==", None),
        ("Basic /////w==", None),
    ];
    for (text, expected) in rows {
        assert_eq!(parse(text), expected, "{text}");
    }
}

#[test]
fn a_login_is_known_with_its_password_and_hash_only() {
    let login =
        |user: &str, password: &str| Credentials { user: user.to_owned(), password: password.to_owned() };
    let mut logins = VerifiedLogins::new([7; 64]);
    logins.insert(&login("ab", "c"), "hash");
    assert!(logins.contains(&login("ab", "c"), "hash"));
    for (user, password, stored) in
        [("ab", "d", "hash"), ("a", "bc", "hash"), ("ab", "c", "edited"), ("x", "c", "hash")]
    {
        assert!(!logins.contains(&login(user, password), stored));
    }
    for number in 0..MAX_LOGINS {
        logins.insert(&login("u", &number.to_string()), "hash");
    }
    assert!(!logins.contains(&login("ab", "c"), "hash") && logins.contains(&login("u", "1"), "hash"));
    assert!(!format!("{logins:?} {:?}", login("ab", "secret")).contains("secret"));
}
