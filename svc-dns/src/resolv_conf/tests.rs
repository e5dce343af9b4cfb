use super::*;

#[test]
fn servers_and_the_last_search_path_count() {
    let text = "# made by hand\nnameserver 127.0.0.53\nnameserver 2001:db8::53 ; the other\nnameserver fe80::1%eth0\nsearch a.example b.example\n\
                domain c.example\nsearch d.example .\noptions ndots:5\nnameserver nobody\n";
    let (conf, problems) = ResolvConf::parse(text);
    let servers: Vec<String> = conf.servers().iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["127.0.0.53:53", "[2001:db8::53]:53", "[fe80::1%eth0]:53"]);
    assert_eq!(conf.search(), ["d.example".parse().unwrap()]);
    assert_eq!(problems[0].to_string(), "line 9: \"nobody\" is no address");
}
