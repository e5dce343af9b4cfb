//! A test program with its own main: all trials in one set of namespaces, each with a lab of its own.

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    svc_lab::enter();
    let trials = vec![
        trial("removed_host_is_gone", removed_host_is_gone),
        trial("orphans_are_reaped", orphans_are_reaped),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial<Fut>(name: &str, test: fn(svc_lab::Lab) -> Fut) -> Trial
where
    Fut: Future<Output = svc_lab::Result> + 'static,
{
    Trial::test(name, move || {
        svc_lab::run(test);
        Result::<(), Failed>::Ok(())
    })
}

async fn removed_host_is_gone(lab: svc_lab::Lab) -> svc_lab::Result {
    let [a, b] = lab.hosts(["a", "b"]).await?;
    let mut sleep = std::process::Command::new("sleep");
    sleep.arg("1000");
    let mut process = a.command(sleep).spawn().await?;
    let again = a.clone();
    a.remove().await?;
    assert!(process.wait().await.is_err());
    assert!(again.sysctl("net/ipv4/ip_forward").await.is_err());
    drop(b);
    Ok(())
}

async fn orphans_are_reaped(lab: svc_lab::Lab) -> svc_lab::Result {
    let pod = lab.pod("pod").await?;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "sleep 0 & exit 0"]);
    assert!(pod.command(shell).status().await?.success());
    Ok(())
}
