//! What a stage has to say at the end of the run, below the times.

/// Notes gathered over the stages: what was skipped, what could not be installed.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    notes: Vec<String>,
}

impl Progress {
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        println!("note: {note}");
        self.notes.push(note);
    }

    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }
}
