//! The tour as a page to keep: the picture of the lab, and for each step what was done and what came back.

use std::fmt::Write as _;

use super::log::Section;

const PICTURE: &str = "\
   outside hosts: client 172.20.10.50, public name server 172.20.10.53, cloud load balancer 172.20.10.60 (VIPs .70-.79)
                     |
   ------------------+--------- 172.20.10.0/24 -----------------+---------------
                     |                                          |
        server2 eth0 172.20.10.2                     server3 eth0 172.20.10.3
                flannel.1 10.244.2.0/32                      flannel.1 10.244.5.0/32
                cni0      10.244.2.1/24                      cni0      10.244.5.1/24
                pods      10.244.2.65 ...                    pods      10.244.5.104 ...";

const HEAD: &str =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>The tour</title>\n<style>
body { font: 15px/1.5 sans-serif; max-width: 80em; margin: 2em auto; padding: 0 1em; color: #222 }
pre { background: #f6f6f4; padding: 1em; overflow-x: auto; font-size: 13px }
b { padding: 0 .5em; border-radius: .3em; color: #fff; background: #777 }
b.PASS { background: #2a7d3f }
b.FAIL { background: #b3261e }
</style>\n<h1>The tour</h1>\n";

/// A page without scripts or anything from elsewhere.
pub(super) fn html(sections: &[Section]) -> String {
    let mut page = format!("{HEAD}<pre>{}</pre>\n", escaped(PICTURE));
    for Section { heading, lines, verdict } in sections {
        let evidence = escaped(&lines.join("\n"));
        let heading = escaped(heading);
        // Writing to a String cannot fail.
        let _ =
            writeln!(page, "<h2>{heading} <b class=\"{verdict}\">{verdict}</b></h2>\n<pre>{evidence}</pre>");
    }
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
