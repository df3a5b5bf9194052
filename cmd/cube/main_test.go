package main

import (
	"strings"
	"testing"
)

func TestHelpIsPrintedOnce(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"help"}, {"run", "--help"}, {"--version"}} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
			t.Errorf("%v: exit status %d: %s", args, code, &stderr)
		}
		printed := stdout.String() + stderr.String()
		if n := strings.Count(printed, "usage: cube"); n > 1 || printed == "" {
			t.Errorf("%v: usage is printed %d times", args, n)
		}
	}
}

// Every flag is there as a CUBE_… environment variable too.
func TestFlagsByEnvironment(t *testing.T) {
	t.Setenv("CUBE_OUTPUT", "xml")
	var stdout, stderr strings.Builder
	if code := run(t.Context(), []string{"ps"}, &stdout, &stderr); code != 1 || !strings.Contains(stderr.String(), `"xml"`) {
		t.Errorf("exit status %d: %s", code, &stderr)
	}
}
