package main

import (
	"strings"
	"testing"

	"cube/scheduler"
)

func TestExplainSaysWhetherTheScoresFollow(t *testing.T) {
	in := scheduler.Inputs{CpuCores: scheduler.FigureOf(8), CpuLimit: 16, MemoryTotal: scheduler.FigureOf(1 << 34), MemoryLimit: 1 << 34}
	for text, d := range map[string]scheduler.Decision{
		"not 12.5":     {Policy: "spread", Candidates: []scheduler.Candidate{{Node: "n", Score: 12.5, Inputs: in}}},
		"not a policy": {Policy: "of-old", Candidates: []scheduler.Candidate{{Node: "n", Score: 12.5, Inputs: in}}},
	} {
		if got := recomputed(&d); !strings.Contains(got, text) {
			t.Errorf("%q does not say %q", got, text)
		}
	}
}
