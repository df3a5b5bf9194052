package simulate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"cube/scheduler"
	"cube/scheduler/policy"
)

// Parameters are the constants of the policy "measured", to be tried with other
// values.
type Parameters struct {
	Foresight scheduler.Parameters
	Measured  policy.Measured
}

// DefaultParameters are those that the manager goes by.
func DefaultParameters() Parameters {
	return Parameters{Foresight: scheduler.DefaultParameters(), Measured: policy.DefaultMeasured()}
}

// parameter is one of them by name.
type parameter struct {
	name  string
	value *float64
}

func (p *Parameters) all() []parameter {
	f, m := &p.Foresight, &p.Measured
	return []parameter{
		{"correlation", &m.Correlation}, {"slack", &m.Slack}, {"replaced", &m.Replaced},
		{"changed", &f.Changed}, {"prior-tasks", &f.PriorTasks}, {"named-tasks", &f.NamedTasks},
		{"recent-tau", &f.RecentTau}, {"lately-tau", &f.LatelyTau}, {"horizon", &f.Horizon},
		{"blend-tasks", &f.BlendTasks}, {"least-kind", &f.LeastKind},
		{"variance-tau", &f.VarianceTau}, {"variance-span", &f.VarianceSpan}, {"settling", &f.Settling},
	}
}

// ParameterNames are the names that [Parameters.Set] knows.
func ParameterNames() []string {
	var p Parameters
	var names []string
	for _, one := range p.all() {
		names = append(names, one.name)
	}
	return names
}

// Get returns the value of a parameter; false for a name that is none.
func (p *Parameters) Get(name string) (float64, bool) {
	for _, one := range p.all() {
		if one.name == name {
			return *one.value, true
		}
	}
	return 0, false
}

// Set sets parameters by name, as in "changed=0.6,horizon=3600". Whether the
// values can be is checked when a replay begins.
func (p *Parameters) Set(settings string) error {
	for setting := range strings.SplitSeq(settings, ",") {
		name, text, _ := strings.Cut(setting, "=")
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(value) {
			return fmt.Errorf("%q is not a parameter and its value, as in changed=0.3", setting)
		}
		if !p.set(name, value) {
			return fmt.Errorf("%q is not a parameter: want %s", name, strings.Join(ParameterNames(), ", "))
		}
	}
	return nil
}

func (p *Parameters) set(name string, value float64) bool {
	for _, one := range p.all() {
		if one.name == name {
			*one.value = value
			return true
		}
	}
	return false
}

// apply puts the constants in place of those of a policy, and of the state's.
func (p *Parameters) apply(to *scheduler.Config) error {
	if err := p.Measured.Check(); err != nil {
		return err
	}
	to.Parameters, to.Policy.Scorers = p.Foresight, slices.Clone(to.Policy.Scorers)
	for i, s := range to.Policy.Scorers {
		if _, is := s.Scorer.(policy.Measured); is {
			to.Policy.Scorers[i].Scorer = p.Measured
		}
	}
	return nil
}
