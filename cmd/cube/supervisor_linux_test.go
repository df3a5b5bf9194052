package main

import (
	"bufio"
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

// A supervisor is one before the packages that take longest are initialised: with
// one careless import of worker/process/supervise it would come after them, which
// nothing else would show but the start of every task.
func TestSupervisorComesBeforeMostOfTheProgram(t *testing.T) {
	cube, err := buildCube()
	if err != nil {
		t.Fatal(err)
	}
	// Without a socket to be told by, it ends.
	supervisor := exec.Cmd{Path: cube, Args: []string{"cube-supervisor"}, Env: []string{"GODEBUG=inittrace=1"}}
	out, err := supervisor.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("socket")) {
		t.Errorf("without a socket it ended with %v, %s", err, out)
	}
	before := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) > 1 && fields[0] == "init" {
			before[fields[1]] = true
		}
	}
	if len(before) < 10 || len(before) > 40 {
		t.Errorf("%d packages are initialised before it; want fewer than 40 of some 210:\n%s", len(before), out)
	}
	for _, late := range []string{"unicode", "reflect", "encoding/json", "golang.org/x/sys/unix", "github.com/prometheus/procfs", "net/http", "main"} {
		if before[late] {
			t.Errorf("%s is initialised before it", late)
		}
	}
}
