//! Words to blocks and lines.

use std::collections::HashMap;

use super::{
    Block, Directive, Place, Problems, Surroundings,
    lexer::{Token, tokens},
};

/// Imports of imports; more are a circle.
const DEEPEST_IMPORT: usize = 8;
/// Blocks within blocks.
const DEEPEST_BODY: usize = 16;
/// Words of all files together: snippets that import one another twice each grow quickly.
const MOST_TOKENS: usize = 200_000;

pub(super) fn parse(file: &str, text: &str, around: &dyn Surroundings) -> Result<Vec<Block>, Problems> {
    let start = Place { file: file.into(), line: 1 };
    let mut parser = Parser {
        tokens: tokens(file, text, around, 0)?,
        at: 0,
        snippets: HashMap::new(),
        around,
        imports: 0,
    };
    let mut blocks = Vec::new();
    while parser.at < parser.tokens.len() {
        blocks.extend(parser.block()?);
    }
    if blocks.is_empty() {
        return Err(Problems::of_error(&start, "there is no server block; write at least `. { ... }`"));
    }
    Ok(blocks)
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    snippets: HashMap<String, Vec<Token>>,
    around: &'a dyn Surroundings,
    imports: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// The next word if it stands on the line of `first`.
    fn next_on(&mut self, first: &Token) -> Option<Token> {
        let token = self.peek().filter(|token| token.is_on_line_of(first))?.clone();
        self.at += 1;
        Some(token)
    }

    /// A server block; `None` where a snippet or an import stands.
    fn block(&mut self) -> Result<Option<Block>, Problems> {
        let Some(first) = self.peek().cloned() else { return Ok(None) };
        if first.text == "import" {
            self.import()?;
            return Ok(None);
        }
        let place = first.place.clone();
        if first.opens() || first.closes() {
            return Err(Problems::of_error(
                &place,
                format!("a server block begins with its zones, not with `{}`", first.text),
            ));
        }
        let (keys, braces) = self.keys(&place)?;
        if let [key] = keys.as_slice()
            && let Some(name) = key.strip_prefix('(').and_then(|key| key.strip_suffix(')'))
        {
            if !braces {
                return Err(Problems::of_error(
                    &place,
                    format!("the snippet ({name}) has no `{{` on its line"),
                ));
            }
            let body = self.raw_body(&place)?;
            self.snippets.insert(name.to_owned(), body);
            return Ok(None);
        }
        let directives = self.body(&place, braces, 0)?;
        Ok(Some(Block { keys, directives, place }))
    }

    /// The words in front of the brace. A comma at the end of a line goes on in the next.
    fn keys(&mut self, start: &Place) -> Result<(Vec<String>, bool), Problems> {
        let mut keys = Vec::new();
        let mut place = start.clone();
        let mut goes_on = true;
        while let Some(token) = self.peek().cloned() {
            if token.opens() {
                self.at += 1;
                return Ok((keys, true));
            }
            if token.place != place && !goes_on {
                break;
            }
            place = token.place.clone();
            goes_on = token.text.ends_with(',');
            keys.extend(token.text.split(',').filter(|key| !key.is_empty()).map(str::to_owned));
            self.at += 1;
        }
        if keys.is_empty() {
            return Err(Problems::of_error(start, "a server block needs a zone, `.` for all names"));
        }
        Ok((keys, false))
    }

    /// The lines up to the closing brace; without braces up to the end of the file.
    fn body(&mut self, start: &Place, braces: bool, depth: usize) -> Result<Vec<Directive>, Problems> {
        if depth > DEEPEST_BODY {
            return Err(Problems::of_error(start, "too many blocks in one another"));
        }
        let mut lines = Vec::new();
        loop {
            let Some(token) = self.peek().cloned() else {
                let open = Problems::of_error(start, "the block that begins here is not closed; add `}`");
                return if braces { Err(open) } else { Ok(lines) };
            };
            if token.closes() && braces {
                self.at += 1;
                return Ok(lines);
            }
            if token.opens() || token.closes() {
                return Err(Problems::of_error(
                    &token.place,
                    format!("`{}` has nothing it belongs to", token.text),
                ));
            }
            if token.text == "import" {
                self.import()?;
                continue;
            }
            lines.push(self.line(depth)?);
        }
    }

    fn line(&mut self, depth: usize) -> Result<Directive, Problems> {
        let first = self.tokens[self.at].clone();
        self.at += 1;
        let Token { text: name, place, .. } = first.clone();
        let mut directive = Directive { name, words: Vec::new(), body: Vec::new(), place: place.clone() };
        while let Some(token) = self.next_on(&first) {
            if token.opens() {
                directive.body = self.body(&place, true, depth + 1)?;
                break;
            }
            if token.closes() {
                // `{ errors }` in one line: the brace is the block's.
                self.at -= 1;
                break;
            }
            directive.words.push(token.text);
        }
        Ok(directive)
    }

    /// The words up to the closing brace, as they are.
    fn raw_body(&mut self, start: &Place) -> Result<Vec<Token>, Problems> {
        let mut depth = 1;
        let mut body = Vec::new();
        while let Some(token) = self.peek().cloned() {
            self.at += 1;
            depth += usize::from(token.opens());
            depth -= usize::from(token.closes());
            if depth == 0 {
                return Ok(body);
            }
            body.push(token);
        }
        Err(Problems::of_error(start, "the snippet that begins here is not closed; add `}`"))
    }

    /// Puts the words of a snippet or of files in the place of an import.
    fn import(&mut self) -> Result<(), Problems> {
        let first = self.tokens[self.at].clone();
        let Token { place, depth, .. } = first.clone();
        let start = self.at;
        self.at += 1;
        let Some(what) = self.next_on(&first) else {
            return Err(Problems::of_error(&place, "import needs a snippet or a file"));
        };
        let arguments = std::iter::from_fn(|| self.next_on(&first)).count();
        if arguments > 0 {
            return Err(Problems::of_error(&place, "import takes one snippet or file, and no arguments"));
        }
        if depth >= DEEPEST_IMPORT {
            return Err(Problems::of_error(
                &place,
                format!("import {}: too many imports in one another", what.text),
            ));
        }
        let mut imported = match self.snippets.get(&what.text) {
            Some(tokens) => tokens.clone(),
            None => self.files(&what.text, &place, depth)?,
        };
        self.imports += 1;
        for token in &mut imported {
            token.depth = token.depth.max(depth + 1);
            token.run = self.imports;
        }
        if self.tokens.len() + imported.len() > MOST_TOKENS {
            return Err(Problems::of_error(&place, "imports make the file too long"));
        }
        self.tokens.splice(start..self.at, imported);
        self.at = start;
        Ok(())
    }

    fn files(&self, pattern: &str, place: &Place, depth: usize) -> Result<Vec<Token>, Problems> {
        let failed = |why: String| Problems::of_error(place, format!("import {pattern}: {why}"));
        let paths = match pattern.contains('*') {
            true => self.around.list(pattern).map_err(failed)?,
            false => vec![pattern.to_owned()],
        };
        let mut all = Vec::new();
        for path in paths {
            let text = self.around.read(&path).map_err(failed)?;
            all.extend(tokens(&path, &text, self.around, depth + 1)?);
        }
        Ok(all)
    }
}
