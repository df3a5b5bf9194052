package scrape

import "fmt"

// Outcome names how a scrape ended; it is the label "result" of
// cube_scrapes_total.
type Outcome string

// The outcomes there are.
const (
	Success         Outcome = "success"
	Timeout         Outcome = "timeout"          // no whole answer before the deadline
	Unreachable     Outcome = "unreachable"      // no connection, or it broke
	BadStatus       Outcome = "bad_status"       // an answer other than 200
	BadRedirect     Outcome = "bad_redirect"     // sent to another host
	BadPage         Outcome = "bad_page"         // cut off, empty, of another format, or without the figures a source must have
	TooLarge        Outcome = "too_large"        // more bytes or samples than allowed
	ImpossibleValue Outcome = "impossible_value" // a figure that cannot be
	BadTarget       Outcome = "bad_target"       // its URL or source is wrong
	Skipped         Outcome = "skipped"          // the last scrape had not ended at its tick
)

// outcomes lists all of them, so that each is exported from the start.
func outcomes() []Outcome {
	return []Outcome{
		Success, Timeout, Unreachable, BadStatus, BadRedirect, BadPage,
		TooLarge, ImpossibleValue, BadTarget, Skipped,
	}
}

// Failure is why a scrape gave no reading.
type Failure struct {
	Node    string
	URL     string // without its password
	Outcome Outcome
	Reason  string // what was wrong, half a sentence
	// Metric is the metric at fault, where there is one.
	Metric string
	cause  error
}

// Error says it in one sentence that names the node.
func (f *Failure) Error() string {
	return fmt.Sprintf("node %s was not read at %s: %s", f.Node, f.URL, f.Reason)
}

// Unwrap returns the error beneath, if there is one.
func (f *Failure) Unwrap() error { return f.cause }

func fail(outcome Outcome, format string, args ...any) *Failure {
	return &Failure{Outcome: outcome, Reason: fmt.Sprintf(format, args...)}
}

func (f *Failure) because(err error) *Failure {
	f.cause = err
	return f
}

// impossible says which metric has a value that cannot be.
func impossible(metric, format string, args ...any) *Failure {
	f := fail(ImpossibleValue, "%s %s", metric, fmt.Sprintf(format, args...))
	f.Metric = metric
	return f
}
