// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// ladder is a table whose first rung refuses and whose second needs nothing from the host.
func ladder() Table {
	fine := func(context.Context, Host) error { return nil }
	return Table{
		{Name: "high", Cost: "nothing", How: userns.Ranges, Try: func(context.Context, Host) error {
			return &remedy.Error{Tried: "climb", Err: syscall.EPERM, Cure: "grow"}
		}},
		{Name: "low", Cost: "slow", How: userns.Plain, Look: fine, Try: fine},
	}
}

func TestMain(m *testing.M) {
	if userns.Inside(os.Getenv) {
		if _, err := userns.Settle(os.Args, os.Environ()); err != nil {
			os.Exit(125)
		}
		os.Exit(inner(os.Args[1]))
	}
	os.Exit(m.Run())
}

// inner is the inner program of the tests.
func inner(what string) int {
	c, r, ok := ladder().Chosen(os.Getenv)
	switch {
	case !ok:
		return 9
	case what == "leave": // leaves a process behind
		cmd := exec.Command("sleep", "1000")
		if err := cmd.Start(); err != nil {
			fmt.Println(err)
			return 8
		}
		fmt.Println(cmd.Process.Pid)
		return 0
	}
	fmt.Printf("%s, %d above, asked %v: %s\n", r.Name, len(c.Above), c.Asked, c.Line(r, ""))
	return 3
}

// start starts the inner program.
func start(t *testing.T, table Table, asked, what string) (string, int, error) {
	t.Helper()
	var out strings.Builder
	status, err := table.Start(t.Context(), asked, Host{}, userns.Entry{Args: []string{"test", what}, Env: os.Environ(), Stdout: &out, Stderr: &out})
	return out.String(), status, err
}

func TestStartTakesTheFirstThatWorks(t *testing.T) {
	out, status, err := start(t, ladder(), "", "say")
	want := "low, 1 above, asked false: steps run in sandbox low, slow; not high: climb: operation not permitted (remedy: grow)\n"
	if err != nil || status != 3 || out != want {
		t.Errorf("%v, %d, got %q, want %q", err, status, out, want)
	}
}

func TestLine(t *testing.T) {
	low := Rung{Name: "low", Cost: "slow"}
	for want, c := range map[string]struct {
		details string
		above   []Refusal
	}{
		"":                                    {},
		"steps run in sandbox low, slow; dry": {"dry", nil},
		"steps run in sandbox low, slow; dry; not high: steep; not mid: far (remedy: go)": {"dry", []Refusal{{"high", "steep", ""}, {"mid", "far", "go"}}},
	} {
		if got := (&Choice{Above: c.above}).Line(low, c.details); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestStartTakesWhatIsAskedFor(t *testing.T) {
	out, status, err := start(t, ladder(), "low", "say")
	if want := "low, 0 above, asked true: \n"; err != nil || status != 3 || out != want {
		t.Errorf("%v, %d, got %q, want %q", err, status, out, want)
	}
	if _, _, err = start(t, ladder(), "high", "say"); err == nil || err.Error() != "climb: operation not permitted\n  remedy: grow" {
		t.Errorf("one that refuses: %v", err)
	}
	if _, _, err = start(t, ladder(), "none", "say"); err == nil || !strings.Contains(err.Error(), "want high, low") {
		t.Errorf("one that there is not: %v", err)
	}
}

func TestStartWhereNothingWorks(t *testing.T) {
	table := ladder()
	table[1].Look = func(context.Context, Host) error { return &remedy.Error{Tried: "crawl", Cure: "rest"} }
	_, _, err := start(t, table, "", "say")
	want := "steps cannot run here; high: climb: operation not permitted; low: crawl\n  remedy: grow"
	if err == nil || err.Error() != want || !remedy.Is(err) {
		t.Errorf("got %v, want %s", err, want)
	}
	table[0].Try = func(context.Context, Host) error { return errors.New("broken") }
	if _, _, err := start(t, table, "", "say"); err == nil || err.Error() != "broken" {
		t.Errorf("an error that is no refusal: %v", err)
	}
}

// Only a process that was started for a choice sees it.
func TestChosenOutside(t *testing.T) {
	env := func(name string) string { return map[string]string{choiceVar: `{"name":"low"}`}[name] }
	if _, _, ok := ladder().Chosen(env); ok {
		t.Error("a process that nobody has started has a rung")
	}
}

func TestTryAll(t *testing.T) {
	all, err := ladder().TryAll(t.Context(), Host{})
	if err != nil || len(all) != 2 || all[0].Works || all[0].Refused.Cure != "grow" || !all[1].Works || all[1].Refused != nil {
		t.Errorf("%v, %+v", err, all)
	}
}

// Processes that the inner program leaves behind end with it, although there is no PID
// namespace.
func TestPlainLeavesNothing(t *testing.T) {
	out, status, err := start(t, ladder(), "low", "leave")
	if err != nil || status != 0 {
		t.Fatal(err, status, out)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("process %d: %v", pid, err)
	}
}

// A trial arrives, and the inner program does nothing.
func TestTrial(t *testing.T) {
	if err := entering(userns.Plain)(t.Context(), Host{}); err != nil {
		t.Error(err)
	}
}

// A process removes its scratch directory; that of a killed process is removed by the next
// process, and that of a running one stays.
func TestPlainScratch(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, scratchPrefix+"1.d")
	if err := os.MkdirAll(filepath.Join(left, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	lock, err := freshfile.CreateNamed(dir, scratchPrefix)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	living := lock.Name() + ".d"
	if err := os.Mkdir(living, 0o700); err != nil {
		t.Fatal(err)
	}
	scratch, release, err := plainScratch(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{left: false, living: true, scratch: true} {
		if _, err := os.Stat(name); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
	if err := os.WriteFile(filepath.Join(scratch, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if rest, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(rest) != 2 {
		t.Errorf("there is left: %v, %v", rest, err)
	}
}

// Likely says without entering which rung will be used, as far as obstacles are visible.
func TestLikely(t *testing.T) {
	table := ladder()
	table[0].Look = table[0].Try
	for asked, want := range map[string]string{"": "low", "high": "high", "low": "low", "none": ""} {
		if got := table.Likely(t.Context(), asked, Host{}).Name; got != want {
			t.Errorf("asked for %q: %q, want %q", asked, got, want)
		}
	}
}

// An account without subordinate ids will record owners. The names of stores are those of
// older builds.
func TestLikelyOfAll(t *testing.T) {
	if r := All().Likely(t.Context(), "", Host{Account: userns.Account{UID: 54321, GID: 54321, Name: "nobody-has-this-name"}}); r.Name != "single-id" {
		t.Errorf("it is %q", r.Name)
	}
	got := map[string]string{}
	for _, r := range All() {
		got[r.Name] = fmt.Sprintf("%q %T %v", r.Store.Suffix, r.Store.Owners, r.Store.Faithful())
	}
	want := map[string]string{
		"userns": `"" <nil> true`, "single-id": `"-one-id" *owner.Recorded true`, "chroot": `"" <nil> true`, "vm": `"-vm" owner.Own false`,
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("stores (-got +want):\n%s", diff)
	}
}
