"""The text of a plan, for ``-d plan``: what an engine will be asked to make."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from prybee.plan.plan import Plan


def plan_text(plan: Plan) -> str:
    """Maps, programs, probes and records, a line each."""
    lines = [f"plan {plan.name}: licence {plan.license}, {len(plan.btf)} bytes of BTF"]
    lines += [
        f"  map {spec.name}: {spec.type}, key {spec.key_size}, value {spec.value_size}, "
        f"{spec.max_entries} entries"
        for spec in plan.maps
    ]
    for script_map in plan.script_maps:
        where = f"{script_map.spec}+{script_map.offset}" if script_map.stride else script_map.spec
        key = type(script_map.key).__name__ if script_map.key is not None else "none"
        lines.append(
            f"  {script_map.name}: in {where}, key {key}, value {type(script_map.value).__name__}"
        )
    for program in plan.programs:
        attach = f" {program.attach_type} {program.attach_to}".rstrip()
        lines.append(
            f"  program {program.name}: {program.type}{attach}, {len(program.insns) // 8} "
            "instructions"
        )
    lines += [f"  probe {each.name}: {each.program}, {each.attach!r}" for each in plan.probes]
    lines += [f"  record {each.id}: {each.action}, {each.size} bytes" for each in plan.records]
    lines += [f"  skipped {name}: {reason}" for name, reason in plan.skipped]
    return "\n".join(lines)
