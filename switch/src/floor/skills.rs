//! Skills in the form that matching wants: sorted by name, no duplicates, no zero levels.

use std::sync::Arc;

use super::contract::Relaxation;
use crate::name::{SkillLevel, SkillName};

/// What an agent has or an item asks for. Cheap to clone, ordered so that it can key a group.
pub(super) type Skills = Arc<[(SkillName, u8)]>;

/// Brings a list into order; of a skill named twice the higher level counts.
pub(super) fn sorted(list: &[SkillLevel]) -> Skills {
    let mut skills: Vec<_> = list.iter().filter(|s| s.level > 0).map(|s| (s.skill.clone(), s.level)).collect();
    skills.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    skills.dedup_by(|later, first| later.0 == first.0);
    skills.into()
}

/// The list again as the contract writes it.
pub(super) fn listed(skills: &Skills) -> Vec<SkillLevel> {
    skills.iter().map(|(skill, level)| SkillLevel { skill: skill.clone(), level: *level }).collect()
}

/// The level of one skill; 0 when missing.
pub(super) fn level_of(have: &[(SkillName, u8)], skill: &SkillName) -> u8 {
    // A person has a handful of skills: a walk beats a search.
    have.iter().find(|(name, _)| name == skill).map_or(0, |(_, level)| *level)
}

/// Whether every need is met.
pub(super) fn meets(have: &[(SkillName, u8)], need: &[(SkillName, u8)]) -> bool {
    need.iter().all(|(skill, level)| level_of(have, skill) >= *level)
}

/// How good somebody is at what was asked for: the sum of their levels of exactly these skills.
pub(super) fn fitness(have: &[(SkillName, u8)], asked: &[(SkillName, u8)]) -> u32 {
    asked.iter().map(|(skill, _)| u32::from(level_of(have, skill))).sum()
}

/// The first need that is not met: skill, level there is, level asked for.
pub(super) fn shortfall<'a>(have: &[(SkillName, u8)], need: &'a [(SkillName, u8)]) -> Option<(&'a SkillName, u8, u8)> {
    need.iter().map(|(skill, level)| (skill, level_of(have, skill), *level)).find(|(_, have, need)| have < need)
}

/// What is asked for after `waited_ms`: each step of the plan that is due lowers its skill, none raises it.
pub(super) fn relaxed(asked: &Skills, plan: &[Relaxation], waited_ms: u64) -> Skills {
    let due = |skill: &SkillName| plan.iter().filter(|r| r.after_ms <= waited_ms && r.skill == *skill).map(|r| r.to_level).min();
    if asked.iter().all(|(skill, level)| due(skill).is_none_or(|to| to >= *level)) {
        return asked.clone();
    }
    asked
        .iter()
        .map(|(skill, level)| (skill.clone(), due(skill).map_or(*level, |to| to.min(*level))))
        .filter(|(_, level)| *level > 0)
        .collect()
}

/// The waiting time of the next step that concerns these skills.
pub(super) fn next_relaxation_ms(asked: &Skills, plan: &[Relaxation], waited_ms: u64) -> Option<u64> {
    plan.iter().filter(|r| r.after_ms > waited_ms && level_of(asked, &r.skill) > r.to_level).map(|r| r.after_ms).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skills(text: &str) -> Skills {
        let list: Vec<_> = text
            .split_whitespace()
            .map(|word| {
                let (skill, level) = word.split_once(':').unwrap();
                SkillLevel { skill: skill.into(), level: level.parse().unwrap() }
            })
            .collect();
        sorted(&list)
    }

    #[test]
    fn the_higher_of_two_levels_counts_and_zero_is_none() {
        assert_eq!(skills("b:2 a:1 b:5 c:0"), skills("a:1 b:5"));
        assert!(meets(&skills("a:3 b:1"), &skills("a:3")));
        assert!(!meets(&skills("a:3"), &skills("a:3 b:1")));
        assert_eq!(fitness(&skills("a:3 b:4 c:9"), &skills("a:1 b:1")), 7);
    }

    #[test]
    fn a_requirement_softens_step_by_step_and_never_hardens() {
        let step = |after_s: u64, to_level| Relaxation { after_ms: after_s * 1000, skill: "a".into(), to_level };
        let plan = [step(60, 2), step(30, 4), step(90, 0)];
        let at = |s: u64| relaxed(&skills("a:5 b:1"), &plan, s * 1000);
        assert_eq!(at(29), skills("a:5 b:1"));
        assert_eq!(at(30), skills("a:4 b:1"));
        assert_eq!(at(60), skills("a:2 b:1"));
        assert_eq!(at(90), skills("b:1"));
        assert_eq!(relaxed(&skills("a:1"), &plan, 31_000), skills("a:1"));
        assert_eq!(next_relaxation_ms(&skills("a:5"), &plan, 30_000), Some(60_000));
        assert_eq!(next_relaxation_ms(&skills("b:5"), &plan, 0), None);
    }
}
