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
fn an_unknown_user_is_compared_with_a_hash_too() {
    let (users, _) = Htpasswd::parse(b"jane:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\njohn:{PLAIN}secret\n");
    let text = |user| users.compared(user).0.map(super::Hash::text);
    assert_eq!(
        (text("john"), text("nobody")),
        (Some("{PLAIN}secret"), Some("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="))
    );
    assert!(!users.verify("nobody", "password") && users.verify("jane", "password"));
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
        "{SSHA}abcd",
        "$5$rounds=1000001$saltstring$OH4IDuTlsuTYPdED1gsuiRMyTAwNlRWyA6Xr3I4/dQ5",
        "$5$rounds=10$saltstring$OH4IDuTlsuTYPdED1gsuiRMyTAwNlRWyA6Xr3I4/dQ5",
        "$1$abc$def",
        "$5$salt$hash",
        "$6$salt$hash",
        "twelve chars",
        "not thirteen?",
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

/// Longer than a block of any hash here.
const LONG: &str = "a longer password of more than sixty four bytes so that a block is crossed!";

#[test]
fn hashes_of_crypt_are_those_of_glibc() {
    let rows = [
        ("", "abmF1QH4PEr.E"),
        ("password", "abJnggxhB/yWI"),
        (LONG, "abkcfEndDLESY"),
        ("", "zZO7u0HfQST3A"),
        ("password", "zZDDIZ0NOlPzw"),
        (LONG, "zZS2oa9o2s9XA"),
        ("", "./Una9Fi.seRo"),
        ("password", "./xZjzHv5vzVE"),
        (LONG, "./lsDnckUAtiM"),
        ("", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
        ("password", "$1$abcdefgh$G//4keteveJp0qb8z2DxG/"),
        (LONG, "$1$abcdefgh$IyLAyocj7Sb9FI34DO2qZ0"),
        ("", "$5$saltstring$FdNfA4gXqvCeO6iZs7G/.wwwoywYZqo0l1pwmfWaBA7"),
        ("password", "$5$saltstring$OH4IDuTlsuTYPdED1gsuiRMyTAwNlRWyA6Xr3I4/dQ5"),
        (LONG, "$5$saltstring$yAXVJPKkjPXzibZHBUQp6InsWoKikJ//xTYGe8sCtUC"),
        ("", "$5$rounds=10000$saltstringsaltst$sDnWwZ0qdQHPqtZu31j2fTtF2j2HEn5hOEwtvixOSE0"),
        ("password", "$5$rounds=10000$saltstringsaltst$DnR6.aMZDwOMqtynA.o2eobA3dYZepULoyGw/CZ4ID0"),
        (LONG, "$5$rounds=10000$saltstringsaltst$aHLPNAxTMGHUJlifxl.CvSOok/F2MswO7/7f8AYzY00"),
        (
            "",
            "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1",
        ),
        (
            "password",
            "$6$saltstring$adDbXsJjcDlq2662QPgd.tkSOVmnG9Tt3oXl4HR60SusC3AGjirnDenVZp3DGwLwqy6iYKCzannhaX9DR72nN1",
        ),
        (
            LONG,
            "$6$saltstring$r5FbPnsT7URYUsahrzagiSe5qjMVcc4aIz4X/mGwcVrnmMFlL3Lc8rvt2wmefWBX6ISnvkok7t7EnQQT6JsW20",
        ),
        (
            "",
            "$6$rounds=1400$anotherlongsalt$3NHQ3rRULF.qohmbTME5iW4NCJ8bQQVf0l4fCuihY7XTeHLacnca12JvIXTbR9Yr8wF4yqyJtSO4eec/9mmOa.",
        ),
        (
            "password",
            "$6$rounds=1400$anotherlongsalt$jjf9poG5TFCiZFUupSV7K/QnQ3sxpgHHRdZo25EkyC25PB1jHaS503E6Zv5U6cuB8nWcPIQa1ftVKKxLtS/Kb/",
        ),
        (
            LONG,
            "$6$rounds=1400$anotherlongsalt$MBJFuiukpUwkBsZoL5BYF2zYL3qnC65Yhceb7OQLG.8WA2tgjI6IKLBqGZle4KM4onx37tQUzRqroQd6.dxzR0",
        ),
        ("", "{SSHA}spXRFxNal2PaKC59rnOlyn0+WxFzYWx0"),
        ("password", "{SSHA}yI6cZwQadOA1e+/f+T+H3eCQQhRzYWx0"),
        ("password", "{PLAIN}password"),
    ];
    for (password, hash) in rows {
        let (users, problems) = Htpasswd::parse(format!("user:{hash}\n").as_bytes());
        assert_eq!(problems, [], "{hash}");
        assert!(users.verify("user", password), "{password:?} {hash}");
        assert!(!users.verify("user", "other"), "{hash}");
    }
}

#[test]
fn a_password_that_would_cost_too_much_is_wrong() {
    let long = "x".repeat(1025);
    let (users, _) = Htpasswd::parse(format!("user:{{PLAIN}}{long}").as_bytes());
    assert!(!users.verify("user", &long));
}
