//! What a suite notices when its policies do something else: the output of `verify sabotage`.

use std::io;

use policy_verify_model::sabotage::{
    Attempt, LeftOutBecause, NoticedSettings, PolicyMutants, Sabotage, SabotagedCase, StandIn, Survivor,
};

use crate::page::{BAD, BOLD, DIM, GOOD, ODD, PLACE, PLAIN, Page, piece};
use crate::phrases;
use crate::style::Style;

/// Columns of what a policy does instead.
const STAND_IN: usize = 28;

/// Columns of a number.
const NUMBER: usize = 9;

/// Lines of a case to paste.
const MOST_LINES: usize = 30;

/// Cases and mutants that are named in a list.
const MOST_NAMES: usize = 20;

/// Writes the result for people: what was noticed how often, then the cases that notice nothing.
pub fn text(result: &Sabotage, style: Style, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    if !result.cases.is_empty() {
        table(&mut page, result)?;
        missed(&mut page, result)?;
    }
    let hollow: Vec<&SabotagedCase> = result.hollow().collect();
    if !hollow.is_empty() {
        page.blank()?;
        page.line(
            0,
            &[piece(format!("{}: nothing is noticed", phrases::count(hollow.len(), "hollow case")), BAD.bold())],
        )?;
        names(&mut page, hollow.iter().map(|case| (*case, case.policy.clone())))?;
        page.line(2, &[piece("help: write what the policy must answer: `expect: allow`, `expect: { deny: … }`", DIM)])?;
    }
    let others: Vec<_> = result.left_out.iter().filter(|it| it.because != LeftOutBecause::Check).collect();
    if !others.is_empty() {
        page.blank()?;
        page.line(0, &[piece(format!("{} left out", phrases::count(others.len(), "case")), ODD)])?;
        for left in others.iter().take(MOST_NAMES) {
            page.entry(2, &[piece(&left.id, PLAIN), piece(format!(" · {}", left.because.reason()), DIM)])?;
        }
        more(&mut page, others.len())?;
    }
    for module in result.settings.iter().filter(|it| !it.dead.is_empty() || !it.left_out.is_empty()) {
        page.blank()?;
        settings(&mut page, module)?;
    }
    for module in &result.mutants {
        page.blank()?;
        mutants(&mut page, module)?;
    }
    page.blank()?;
    let colour = if hollow.is_empty() { GOOD } else { BAD };
    let noticing = result.cases.len() - hollow.len();
    let total = phrases::count(result.cases.len(), "case");
    page.line(0, &[piece(format!("{noticing} of {total} notice what policies do instead"), colour.bold())])
}

/// What was noticed of the settings of a module.
fn settings(page: &mut Page<'_>, module: &NoticedSettings) -> io::Result<()> {
    let NoticedSettings { policy, noticed, dead, required, left_out } = module;
    let total = noticed + dead.len();
    page.line(0, &[piece(format!("settings of {policy}: {noticed} of {total} noticed"), BOLD)])?;
    for setting in dead.iter().take(MOST_NAMES) {
        let place = piece(format!("{}:{}", setting.file, setting.line), PLACE);
        let about = format!(" · no answer changes without it, in {}", phrases::count(setting.cases, "case"));
        page.entry(2, &[place, piece(format!("  {}", setting.key), PLAIN), piece(about, DIM)])?;
    }
    more(page, dead.len())?;
    for (title, keys) in [("required: the policy rejects other settings", required), ("left out", left_out)] {
        if !keys.is_empty() {
            let named = keys.iter().take(MOST_NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
            page.entry(2, &[piece(format!("{title}: "), DIM), piece(named, PLAIN)])?;
            more(page, keys.len())?;
        }
    }
    Ok(())
}

/// What was noticed of the mutants of a module.
fn mutants(page: &mut Page<'_>, module: &PolicyMutants) -> io::Result<()> {
    let score = module.score().map(|score| format!(": {score}% noticed")).unwrap_or_default();
    page.line(0, &[piece(format!("mutants of {}{score}", module.policy), BOLD)])?;
    if let Some(reason) = &module.reason {
        return page.entry(2, &[piece(format!("none: {}", phrases::one_line(reason, 300)), ODD)]);
    }
    let PolicyMutants { possible, tried, resumed, noticed, crashed, alike, survivors, .. } = module;
    let earlier = if *resumed > 0 { format!(", {resumed} of them in earlier runs") } else { String::new() };
    let counts = format!(
        "{tried} of {possible} ran{earlier}: {noticed} noticed, {} not; {crashed} only crash, {alike} are told from the policy by no request",
        survivors.len()
    );
    page.entry(2, &[piece(counts, PLAIN)])?;
    for survivor in survivors.iter().take(MOST_NAMES) {
        self::survivor(page, survivor)?;
    }
    more(page, survivors.len())
}

fn survivor(page: &mut Page<'_>, survivor: &Survivor) -> io::Result<()> {
    page.blank()?;
    let place = match (&survivor.file, survivor.line, &survivor.function) {
        (Some(file), Some(line), _) => format!("{file}:{line}"),
        (Some(place), None, _) | (None, _, Some(place)) => place.clone(),
        (None, ..) => "an unnamed function".to_owned(),
    };
    let source = survivor.source.as_deref().map(|line| piece(format!("  {}", phrases::one_line(line, 120)), DIM));
    let place = [piece(phrases::one_line(&place, 160), PLACE)];
    page.entry(2, &place.into_iter().chain(source).collect::<Vec<_>>())?;
    page.entry(2, &[piece(format!("not noticed: {}", phrases::one_line(&survivor.change, 160)), ODD)])?;
    for line in survivor.case.lines().take(MOST_LINES) {
        page.line(2, &[piece(line, PLAIN)])?;
    }
    Ok(())
}

/// Every stand-in that changed an answer: in how many cases, and how many of them noticed it.
fn table(page: &mut Page<'_>, result: &Sabotage) -> io::Result<()> {
    let head = format!("{:STAND_IN$}{:>NUMBER$}{:>NUMBER$}", "a policy that", "changed", "noticed");
    page.line(0, &[piece(head, DIM)])?;
    for stand_in in StandIn::ALL {
        let (changed, noticed) = counts(result, stand_in);
        if changed > 0 {
            let colour = if noticed < changed { ODD } else { PLAIN };
            let name = piece(format!("{:STAND_IN$}", stand_in.does()), PLAIN);
            page.line(0, &[name, piece(format!("{changed:>NUMBER$}{noticed:>NUMBER$}"), colour)])?;
        }
    }
    Ok(())
}

fn counts(result: &Sabotage, stand_in: StandIn) -> (usize, usize) {
    let attempts = result.cases.iter().flat_map(|case| &case.attempts).filter(|it| it.stand_in == stand_in);
    attempts.fold((0, 0), |(changed, noticed), it| (changed + 1, noticed + usize::from(it.is_noticed)))
}

/// The cases that miss something, and notice something else.
fn missed(page: &mut Page<'_>, result: &Sabotage) -> io::Result<()> {
    let is_missed = |attempt: &&Attempt| !attempt.is_noticed;
    let partly = result.cases.iter().filter(|case| !case.is_hollow());
    let partly: Vec<_> = partly.filter(|case| case.attempts.iter().any(|it| is_missed(&it))).collect();
    if partly.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.line(0, &[piece(format!("{} would not notice a policy that", phrases::count(partly.len(), "case")), BOLD)])?;
    let does = |case: &SabotagedCase| {
        let missed: Vec<&str> = case.attempts.iter().filter(is_missed).map(|it| it.stand_in.does()).collect();
        missed.join(", ")
    };
    names(page, partly.iter().map(|case| (*case, does(case))))
}

fn names<'a>(page: &mut Page<'_>, cases: impl ExactSizeIterator<Item = (&'a SabotagedCase, String)>) -> io::Result<()> {
    let total = cases.len();
    for (case, about) in cases.take(MOST_NAMES) {
        let place = piece(format!("{}:{}", case.file, case.line), PLACE);
        page.entry(2, &[place, piece(format!("  {}", case.id), PLAIN), piece(format!(" · {about}"), DIM)])?;
    }
    more(page, total)
}

fn more(page: &mut Page<'_>, total: usize) -> io::Result<()> {
    match total.saturating_sub(MOST_NAMES) {
        0 => Ok(()),
        more => page.line(2, &[piece(format!("… {more} more"), DIM)]),
    }
}

#[cfg(test)]
mod tests {
    use policy_verify_model::sabotage::{DeadSetting, LeftOut};

    use super::*;
    use crate::testing::HOSTILE;

    fn shown(result: &Sabotage) -> String {
        let mut bytes = Vec::new();
        text(result, Style::default(), &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn case(id: &str, attempts: &[(StandIn, bool)]) -> SabotagedCase {
        let attempt = |&(stand_in, is_noticed): &_| Attempt { policy: "labels".into(), stand_in, is_noticed };
        SabotagedCase {
            id: id.into(),
            policy: "labels".into(),
            file: "suite.yml".into(),
            line: 7,
            attempts: attempts.iter().map(attempt).collect(),
        }
    }

    #[test]
    fn hollow_cases_are_named_and_others_counted() {
        let cases = vec![
            case("s › a", &[(StandIn::AlwaysDenies, true)]),
            case("s › b", &[(StandIn::AlwaysAllows, true), (StandIn::OtherMessage, false)]),
            case("s › c", &[(StandIn::AlwaysAllows, false), (StandIn::OtherMessage, false)]),
        ];
        let left_out = vec![LeftOut { id: "s › d".into(), because: LeftOutBecause::Failing }];
        let text = shown(&Sabotage { cases, left_out, ..Sabotage::default() });
        assert_eq!(
            text,
            "a policy that                 changed  noticed
allows every request                2        1
rejects every request               1        1
rejects with another message        2        0

1 case would not notice a policy that
  suite.yml:7  s › b · rejects with another message

1 hollow case: nothing is noticed
  suite.yml:7  s › c · labels
  help: write what the policy must answer: `expect: allow`, `expect: { deny: … }`

1 case left out
  s › d · does not pass

2 of 3 cases notice what policies do instead
"
        );
    }

    #[test]
    fn mutants_that_nobody_notices_have_their_line_and_a_case() {
        let survivor = Survivor {
            file: Some("src/lib.rs".into()),
            line: Some(45),
            source: Some("if missing.len() > 1 {".into()),
            function: None,
            change: "`>` is `>=`".into(),
            case: "  - name: labels decides this as before\n    expect: allow\n".into(),
        };
        let mutants = vec![
            PolicyMutants {
                policy: "labels".into(),
                possible: 84,
                tried: 10,
                resumed: 4,
                noticed: 7,
                crashed: 1,
                alike: 1,
                survivors: vec![survivor],
                reason: None,
            },
            PolicyMutants { policy: "other".into(), reason: Some("no names".into()), ..PolicyMutants::default() },
        ];
        let text = shown(&Sabotage { mutants, ..Sabotage::default() });
        let wanted = "mutants of labels: 87% noticed
  10 of 84 ran, 4 of them in earlier runs: 7 noticed, 1 not; 1 only crash, 1 are told from the
    policy by no request

  src/lib.rs:45  if missing.len() > 1 {
  not noticed: `>` is `>=`
    - name: labels decides this as before
      expect: allow

mutants of other
  none: no names
";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn settings_that_no_case_notices_have_their_line() {
        let dead = DeadSetting { key: "cpu.limit".into(), file: "suite.yml".into(), line: 4, cases: 2 };
        let settings = vec![
            NoticedSettings {
                policy: "labels".into(),
                noticed: 2,
                dead: vec![dead],
                required: vec!["names".into()],
                left_out: vec!["a".into(), "b".into()],
            },
            NoticedSettings { policy: "elsewhere".into(), noticed: 1, ..NoticedSettings::default() },
        ];
        let text = shown(&Sabotage { settings, ..Sabotage::default() });
        let wanted = "settings of labels: 2 of 3 noticed
  suite.yml:4  cpu.limit · no answer changes without it, in 2 cases
  required: the policy rejects other settings: names
  left out: a, b
";
        assert!(text.contains(wanted) && !text.contains("elsewhere"), "{text}");
    }

    #[test]
    fn hostile_names_are_text() {
        let cases = HOSTILE.iter().map(|name| case(name, &[(StandIn::AlwaysAllows, false)])).collect();
        let left_out =
            HOSTILE.iter().map(|name| LeftOut { id: (*name).into(), because: LeftOutBecause::NoVerdict }).collect();
        let text = shown(&Sabotage { cases, left_out, ..Sabotage::default() });
        assert!(!text.contains('\u{1b}') && !text.contains("\n::") && !text.contains('\u{202e}'), "{text}");
    }
}
