use super::{Htpasswd, HtpasswdError};

// `openssl passwd -apr1 -salt abcdefgh`, `htpasswd -s`, and bcrypt of cost 4 so that the test is quick.
const PASSWORD: &str = "$apr1$abcdefgh$G8IsPsylW5ROvIKsQMRG61";

#[test]
fn apr1_hashes_are_those_of_openssl() {
    let rows = [
        ("", "$apr1$abcdefgh$L.PT565ESX4Tp2bqNs7Ie."),
        ("a", PASSWORD),
        ("password", "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1"),
        ("a longer password of 30 bytes!", "$apr1$abcdefgh$iC6kb.JcFbUSHMx/giwiz/"),
    ];
    for (password, hash) in rows {
        let (users, problems) = Htpasswd::parse(format!("user:{hash}\n").as_bytes());
        assert_eq!(problems, []);
        assert!(users.verify("user", password), "{password:?}");
        assert!(!users.verify("user", "other"), "{password:?}");
    }
}

#[test]
fn each_supported_hash_lets_its_password_in() {
    let bcrypt = bcrypt::hash("password", 4).unwrap();
    let rows = [
        bcrypt.replace("$2b$", "$2y$"),
        bcrypt.replace("$2b$", "$2a$"),
        bcrypt,
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=".to_owned(),
        "$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1".to_owned(),
    ];
    for hash in rows {
        let (users, problems) = Htpasswd::parse(format!("# comment\n\nfoo:{hash}:ignored\r\n").as_bytes());
        assert_eq!(problems, [], "{hash}");
        assert!(users.verify("foo", "password"), "{hash}");
        assert!(
            !users.verify("foo", "Password") && !users.verify("foo", "") && !users.verify("bar", "password")
        );
    }
}

#[test]
fn every_other_hash_locks_out_its_user_only() {
    let refused = [
        "password",
        "",
        "{PLAIN}password",
        "{SSHA}abcd",
        "$1$abc$def",
        "$5$salt$hash",
        "$6$salt$hash",
        "rqXexS6ZhobKA",
        "$2y$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZabcde",
        "$2y$10$short",
        "{SHA}short",
        "$apr1$$x",
    ];
    for hash in refused {
        let (users, problems) = Htpasswd::parse(format!("bad:{hash}\ngood:{PASSWORD}").as_bytes());
        assert_eq!(problems, [HtpasswdError::Hash { line: 1 }], "{hash}");
        assert!(
            !users.verify("bad", "a") && !users.verify("bad", hash) && users.verify("good", "a"),
            "{hash}"
        );
    }
}

#[test]
fn the_first_line_of_a_user_wins() {
    let (users, _) =
        Htpasswd::parse(format!("u:{PASSWORD}\nu:$apr1$abcdefgh$FBwExRW4dCc8aL.OvjpIE1").as_bytes());
    assert!(users.verify("u", "a") && !users.verify("u", "password"));
}

#[test]
fn nothing_shows_a_hash() {
    let (users, problems) = Htpasswd::parse(format!("u:{PASSWORD}\nsecretpassword").as_bytes());
    let shown = format!("{users:?} {problems:?} {}", problems[0]);
    assert!(!shown.contains("apr1$") && !shown.contains("secretpassword"), "{shown}");
    assert_eq!(problems, [HtpasswdError::Line { line: 2 }]);
}
