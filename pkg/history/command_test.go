// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCommand(t *testing.T) {
	logs := t.TempDir()
	if id, err := LastCommand(filepath.Join(logs, "none")); id != "" || err != nil {
		t.Errorf("of none: %q, %v", id, err)
	}
	epoch := int64(7)
	c := Command{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Dir: "/srv/project", Files: []string{"a.xml"}, Options: map[string][]string{"out": {"a", "b"}}, Withheld: []string{"remote"},
		Epoch: &epoch, Skipped: []SkippedStep{{Stage: "s", Step: 2, Image: "id", What: "exit status 7"}},
	}
	if err := WriteCommand(filepath.Join(logs, "old"), c); err != nil {
		t.Fatal(err)
	}
	got, err := ReadCommand(filepath.Join(logs, "old"))
	c.Schema = commandSchema
	if diff := cmp.Diff(got, &c); diff != "" || err != nil {
		t.Errorf("%v (-got +want):\n%s", err, diff)
	}
	if st, err := os.Stat(filepath.Join(logs, "old", commandName)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	c.Started = c.Started.Add(time.Second)
	if err := WriteCommand(filepath.Join(logs, "new"), c); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"broken": "{", "newer": `{"schema":2,"started":"2027-01-02T03:04:05Z"}`} {
		dir := filepath.Join(logs, name)
		if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(filepath.Join(dir, commandName), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCommand(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if id, err := LastCommand(logs); id != "new" || err != nil {
		t.Errorf("the last one is %q, %v", id, err)
	}
}
