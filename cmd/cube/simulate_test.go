package main

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const tinyTrace = "../../scheduler/simulate/testdata/tiny"

// simulated is what the command prints.
func simulated(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := run(t.Context(), append([]string{"simulate", "--trace", tinyTrace}, args...), &stdout, &stderr); code != 0 {
		t.Fatalf("exit status %d: %s", code, &stderr)
	}
	return stdout.String()
}

// The whole table of a small trace, to the digit. A change of a policy changes
// its row: look whether it should, then write the file anew with
//
//	cube simulate --trace scheduler/simulate/testdata/tiny --nodes-needed
func TestSimulateTable(t *testing.T) {
	want, err := os.ReadFile("testdata/simulate_tiny.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), simulated(t, "--nodes-needed")); diff != "" {
		t.Errorf("the table is another one (-want +got):\n%s", diff)
	}
}

// JSON and CSV hold the same rows, one a policy and schedule.
func TestSimulateFormatsAgree(t *testing.T) {
	args := []string{"--policy=epvm", "--policy=random", "--seeds=2", "--scrape-interval=60s", "--random-draws=2"}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(simulated(t, append(args, "--format=json")...)), &rows); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(simulated(t, append(args, "--format=csv")...))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 4 || len(lines) != 5 {
		t.Fatalf("got %d rows and %d lines; want 4 and 5", len(rows), len(lines))
	}
	for i, row := range rows {
		if len(row) != len(lines[0]) {
			t.Errorf("row %d has %d fields, the CSV %d", i, len(row), len(lines[0]))
		}
		for k, name := range lines[0] {
			var got string
			switch v := row[name].(type) {
			case string:
				got = v
			case float64:
				got = strconv.FormatFloat(v, 'g', -1, 64)
			default:
				t.Fatalf("row %d has %v for %s", i, v, name)
			}
			if got != lines[i+1][k] {
				t.Errorf("%s of row %d is %s in JSON and %s in CSV", name, i, got, lines[i+1][k])
			}
		}
	}
}

// Resampled schedules are others, the same ones each time, and said to be so.
func TestSimulateResamples(t *testing.T) {
	args := []string{"--policy=measured", "--random-draws=2"}
	first := simulated(t, append(args, "--resample=1")...)
	if !strings.Contains(first, "resampled by seed 1\n") || first != simulated(t, append(args, "--resample=1")...) {
		t.Errorf("not said to be resampled, or not the same twice: %s", first)
	}
	_, rows, _ := strings.Cut(first, "\n")
	for _, other := range [][]string{{"--resample=2"}, nil} {
		if _, others, _ := strings.Cut(simulated(t, append(args, other...)...), "\n"); others == rows {
			t.Errorf("with %q the rows are the same: %s", other, rows)
		}
	}
}

func TestSimulatePlotIsWellFormed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plot.svg")
	simulated(t, "--policy=measured", "--policy=least-allocated", "--policy=random", "--seeds=1", "--plot", file)
	picture, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"measured", "least-allocated", "random", "24 h"} {
		if !strings.Contains(string(picture), ">"+want+"<") {
			t.Errorf("the picture does not say %q", want)
		}
	}
	decoder := xml.NewDecoder(strings.NewReader(string(picture)))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSimulateRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--trace", "testdata/none"}, "testdata/none"},
		{[]string{"--trace", tinyTrace, "--policy", "best"}, `"best" is not a policy`},
		{[]string{"--trace", tinyTrace, "--seeds", "0"}, "--seeds is 0"},
		{[]string{"--trace", tinyTrace, "--random-draws", "0"}, "--random-draws is 0"},
		{[]string{"--trace", tinyTrace, "--scrape-phases", "0"}, "--scrape-phases is 0"},
		{[]string{"--trace", tinyTrace, "--scrape-interval", "1ms"}, "--scrape-interval is 1ms"},
		{[]string{"--trace", tinyTrace, "--memory-scale", "0"}, "--memory-scale is 0"},
		{[]string{"--trace", tinyTrace, "--resample", "x"}, `--resample is "x"`},
		{[]string{"--trace", tinyTrace, "--parameter", "best=1"}, `"best" is not a parameter`},
		{[]string{"--trace", tinyTrace, "--parameter", "changed=2"}, "the chance to change: 2; want 0 to 1"},
		{[]string{"--trace", tinyTrace, "--format", "xml"}, "xml"},
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), append([]string{"simulate"}, c.args...), &stdout, &stderr); code != 1 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%v: exit status %d: %s; want 1 and %q", c.args, code, &stderr, c.want)
		}
	}
}
