//! Rules that followed a history are those of its end.

use libtest_mimic::Trial;
use proptest::prelude::*;
use svc_model::Snapshot;
use svc_proxy::Plan;

use crate::outcomes::check;
use crate::packets::some;
use crate::reference::Reference;
use crate::settings::Settings;
use crate::subject::{Kernel, Subject};
use crate::world::history;
use crate::{Run, subject, trial};

pub(crate) fn trials(run: Run) -> Vec<Trial> {
    let mut trials = Vec::new();
    for subject in subject::all() {
        let name = subject.name();
        let on_paper = move || follows(run, subject, Kernel::Fake, 150);
        trials.push(trial(format!("{name}_follows_every_history"), on_paper));
        for &way in subject.kernels() {
            let name = format!("{name}_follows_in_the_kernel_by_{way}");
            trials.push(trial(&*name.clone(), move || match subject.missing(way) {
                Some(missing) => {
                    println!("SKIP {name}: {missing}");
                    Ok(())
                }
                None => in_a_kernel(run, subject, Kernel::Real(way)),
            }));
        }
    }
    trials
}

/// In a network namespace of its own.
fn in_a_kernel(run: Run, subject: &'static dyn Subject, kernel: Kernel) -> Result<(), String> {
    let (tell, told) = std::sync::mpsc::channel();
    svc_lab::run(move |lab| async move {
        let host = lab.host("a").create().await?;
        let outcome = host.run(move || async move { follows(run, subject, kernel, 12) }).await;
        tell.send(outcome).ok();
        Ok(())
    });
    told.recv().map_err(|error| error.to_string())?
}

fn follows(run: Run, subject: &dyn Subject, kernel: Kernel, cases: u32) -> Result<(), String> {
    let world = (history(), Settings::any(subject.mode()));
    let outcome = run.runner(cases).run(&world, |(history, settings)| {
        let node = settings.node();
        let mut snapshot = Snapshot::default();
        let mut plan = Plan::new(&snapshot, &node);
        let mut follower = subject.follower(&plan, kernel);
        for step in &history {
            let (next, delta) = step.apply(&snapshot);
            let changed = plan.update(&next, &delta);
            follower.follow(&plan, &changed).map_err(TestCaseError::fail)?;
            snapshot = next;
        }
        let mut fresh = subject.follower(&Plan::new(&snapshot, &node), Kernel::Fake);
        prop_assert_eq!(follower.rules(), fresh.rules());
        prop_assert_eq!(follower.held(), fresh.held());
        // What the kernel lists does what the objects mean.
        let (rules, reference) =
            (follower.on_paper(), Reference { snapshot: &snapshot, settings: &settings });
        for packet in some(&snapshot, 20, 0) {
            check(rules.as_ref(), &reference, &packet).map_err(TestCaseError::fail)?;
        }
        Ok(())
    });
    outcome.map_err(|error| error.to_string())
}
