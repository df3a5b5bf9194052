package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"cube/scheduler"
)

// Default is the name of the policy Cube places by unless told otherwise.
const Default = "measured"

// entry is a policy that can be asked for by name.
type entry struct {
	name   string
	scorer scheduler.Scorer
	sample int // how many nodes are drawn first; 0: all are scored
}

// registry lists all policies, the default first.
func registry() []entry {
	return []entry{
		{name: "measured", scorer: DefaultMeasured()},
		{name: "epvm", scorer: EPVM{}},
		{name: "spread", scorer: Spread{}},
		{name: "binpack", scorer: BinPack{}},
		{name: "least-allocated", scorer: LeastAllocated{}},
		{name: "most-allocated", scorer: MostAllocated{}},
		{name: "target", scorer: Target{}},
		{name: "risk", scorer: Risk{}},
		{name: "two-choices", scorer: Spread{}, sample: 2},
		{name: "roundrobin", scorer: RoundRobin{}},
		{name: "random", scorer: Spread{}, sample: 1},
	}
}

// Names returns the names that New knows, the default first.
func Names() []string {
	var names []string
	for _, e := range registry() {
		names = append(names, e.name)
	}
	return names
}

// New returns the policy of a specification: a name ("epvm"), or names with
// weights above 0 ("epvm=2,spread=1"; a name alone weighs 1). The empty
// specification is [Default].
func New(spec string) (scheduler.Policy, error) {
	if strings.TrimSpace(spec) == "" {
		spec = Default
	}
	var policy scheduler.Policy
	var names []string
	used := make(map[string]bool)
	parts := strings.Split(spec, ",")
	for _, part := range parts {
		e, weight, err := parse(part)
		if err != nil {
			return scheduler.Policy{}, fmt.Errorf("policy %q: %w", spec, err)
		}
		if used[e.name] {
			return scheduler.Policy{}, fmt.Errorf("policy %q: names %s twice", spec, e.name)
		}
		used[e.name] = true
		if e.sample > 0 && len(parts) > 1 {
			return scheduler.Policy{}, fmt.Errorf("policy %q: %s draws nodes by chance and cannot be weighed with others", spec, e.name)
		}
		policy.Sample = e.sample
		policy.Scorers = append(policy.Scorers, scheduler.WeightedScorer{Scorer: e.scorer, Weight: weight})
		names = append(names, e.name+"="+strconv.FormatFloat(weight, 'g', -1, 64))
	}
	policy.Name = strings.Join(names, ",")
	if len(names) == 1 { // the weight of one alone says nothing
		policy.Name, _, _ = strings.Cut(names[0], "=")
		policy.Scorers[0].Weight = 1
	}
	return policy, nil
}

// parse reads one "name" or "name=weight".
func parse(part string) (entry, float64, error) {
	name, text, weighted := strings.Cut(strings.TrimSpace(part), "=")
	weight := 1.0
	if weighted {
		var err error
		if weight, err = strconv.ParseFloat(text, 64); err != nil || !(weight > 0) || math.IsInf(weight, 0) {
			return entry{}, 0, fmt.Errorf("%q is not a weight for %s: want a number above 0", text, name)
		}
	}
	for _, e := range registry() {
		if e.name == name {
			return e, weight, nil
		}
	}
	if name == "" {
		return entry{}, 0, errors.New("has an empty name in it")
	}
	return entry{}, 0, fmt.Errorf("%q is not a policy: want %s", name, strings.Join(Names(), ", "))
}
