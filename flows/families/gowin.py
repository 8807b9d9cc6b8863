"""Gowin's chips: netlists only, as yet."""

from htaflow.flows.families.family import Family

FAMILY = Family(
    name="gowin", title="a Gowin", synthesis="synth_gowin", carry="ALU", no_pads=" -noiopads"
)
