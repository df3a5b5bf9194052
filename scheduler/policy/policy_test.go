package policy_test

import (
	"strings"
	"testing"

	"cube/scheduler/policy"
)

func TestNewReadsSpecifications(t *testing.T) {
	for spec, want := range map[string]string{
		"":                        "measured",
		"epvm":                    "epvm",
		"epvm=2":                  "epvm", // alone, a weight says nothing
		" epvm=2, spread=1 ":      "epvm=2,spread=1",
		"measured,binpack=0.5":    "measured=1,binpack=0.5",
		"two-choices":             "two-choices",
		"most-allocated=1,risk=3": "most-allocated=1,risk=3",
	} {
		p, err := policy.New(spec)
		if err != nil {
			t.Errorf("New(%q): %v", spec, err)
			continue
		}
		if p.Name != want {
			t.Errorf("New(%q) is named %q, want %q", spec, p.Name, want)
		}
		again, err := policy.New(p.Name)
		if err != nil || again.Name != p.Name || len(again.Scorers) != len(p.Scorers) {
			t.Errorf("New(%q) does not read its own name back: %+v, %v", spec, again, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"best":             `"best" is not a policy`,
		"epvm=0":           "want a number above 0",
		"epvm=-1,spread=1": "want a number above 0",
		"epvm=NaN":         "want a number above 0",
		"epvm=Inf":         "want a number above 0",
		"epvm=x":           "is not a weight",
		"epvm,epvm":        "names epvm twice",
		"epvm,":            "has an empty name",
		"random,epvm":      "draws nodes by chance",
	} {
		if _, err := policy.New(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%q) answered %v, want an error with %q", spec, err, want)
		}
	}
}
