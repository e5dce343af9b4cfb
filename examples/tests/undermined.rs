//! Every step of the tour fails when what it proves is removed, and says what is missing.
#![allow(clippy::print_stdout, reason = "a test that cannot be made here says so")]

use std::process::ExitCode;

use examples::client::resolver;
use examples::tour::undermine::{Case, cases};
use examples::tour::{Log, STEPS, Tour, Verdict, step};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if let Some(code) = resolver::answer_if_asked() {
        return code;
    }
    svc_lab::enter();
    let mut trials: Vec<_> = cases().into_iter().map(undermined).collect();
    trials.push(Trial::test("every_step_is_undermined", every_step_is_undermined));
    trials.push(Trial::test("no_step_fails_without", no_step_fails_without));
    trials.push(Trial::test("a_cleaned_cluster_is_revived", a_cleaned_cluster_is_revived));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn undermined(case: Case) -> Trial {
    let name = format!("step_{}_fails_without_{}", case.step, case.what.replace(' ', "_"));
    Trial::test(name, move || {
        svc_lab::run(|lab| async move {
            let mut tour = Tour::begin(lab, Log::quiet()).await?;
            tour.undermine(case.undermine);
            let step = step(case.step).ok_or("there is no such step")?;
            match tour.walk(step).await {
                Verdict::Fail(error) if format!("{error:#}").contains(case.complaint) => Ok(()),
                Verdict::Fail(error) => Err(format!("the step failed for another reason: {error:#}").into()),
                _ => Err(format!("step {} did not fail without {}", case.step, case.what).into()),
            }
        });
        Ok(())
    })
}

fn every_step_is_undermined() -> Result<(), Failed> {
    let cases = cases();
    match STEPS.iter().find(|step| !cases.iter().any(|case| case.step == step.number)) {
        Some(step) => Err(format!("nothing undermines step {}", step.number).into()),
        None => Ok(()),
    }
}

/// What `--keep` does after the last step.
fn a_cleaned_cluster_is_revived() -> Result<(), Failed> {
    svc_lab::run(|lab| async move {
        let mut tour = Tour::begin(lab, Log::quiet()).await?;
        for number in [15, 2] {
            let step = step(number).ok_or("there is no such step")?;
            let verdict = tour.walk(step).await;
            if !matches!(verdict, Verdict::Pass) {
                return Err(format!("step {number}: {verdict:?}").into());
            }
            tour.cluster.revive().await?;
        }
        Ok(())
    });
    Ok(())
}

fn no_step_fails_without() -> Result<(), Failed> {
    svc_lab::run(|lab| async move {
        let mut tour = Tour::begin(lab, Log::quiet()).await?;
        for step in STEPS {
            match tour.walk(step).await {
                Verdict::Pass => {}
                Verdict::Skipped(lacking) => println!("SKIP step {}: {lacking}", step.number),
                other => return Err(format!("step {}: {other:?}", step.number).into()),
            }
        }
        Ok(())
    });
    Ok(())
}
