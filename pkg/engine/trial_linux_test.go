// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// A trial makes two layers and runs this program on them.
func TestTrial(t *testing.T) {
	s := &enginetest.FakeSnapshots{Dir: t.TempDir()}
	top, err := engine.TryLayers(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		says   string
		status int
		err    error
		want   string
	}{
		"well":          {"carosbuild 1\n", 0, nil, ""},
		"another":       {"hello\n", 0, nil, `printed "hello\n"`},
		"a failure":     {"carosbuild 1\n", 3, nil, "exit status 3"},
		"not even that": {"", 0, errors.New("broken"), "broken"},
	} {
		box := &enginetest.FakeSandbox{Program: func(_ context.Context, step sandbox.Command) (int, error) {
			for _, f := range []string{"carosbuild", "second"} {
				if st, err := os.Stat(filepath.Join(step.Root, f)); err != nil || st.Mode() != 0o755 || st.Size() == 0 {
					t.Errorf("%s: %v, %v", f, st, err)
				}
			}
			fmt.Fprint(step.Stdout, tt.says)
			return tt.status, tt.err
		}}
		err := engine.TryStep(t.Context(), s, box, top)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
		if got := box.Steps()[0].Args; cmp.Diff(got, []string{"/carosbuild", "version"}) != "" {
			t.Errorf("%s: command %q", name, got)
		}
	}
	if n := s.Open(); n != 0 {
		t.Errorf("%d snapshots have not ended", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := engine.TryLayers(ctx, s); err == nil {
		t.Error("layers though the context has ended")
	}
	if err := engine.TryStep(ctx, s, &enginetest.FakeSandbox{}, top); err == nil {
		t.Error("a step though the context has ended")
	}
}

// marker records which layers are marked.
type marker struct {
	notes
	err error
}

func (m *marker) MarkDamaged(id, _ string) error {
	m.add("%s", id)
	return m.err
}

// Each damaged layer is made again once.
func TestHealer(t *testing.T) {
	damage := func(id string) error { return &layer.DamageError{Layer: id, Path: "f", What: "is missing"} }
	m := &marker{}
	var said notes
	h := engine.Healer{Store: m, Note: func(text string) { said.add("%s", text) }}
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{fs.ErrNotExist, false},
		{fmt.Errorf("stage s: %w", errors.Join(damage("a"), damage("b"), damage("a"))), true},
		{damage("a"), false},
		{errors.Join(damage("c"), damage("b")), false},
		{damage("c"), true},
	} {
		if got, err := h.Heal(tt.err); got != tt.want || err != nil {
			t.Errorf("%v: healed %v, %v", tt.err, got, err)
		}
	}
	m.want(t, "a", "b", "c")
	if lines := said.all(); len(lines) != 4 || lines[0] != "layer a is damaged in the store: /f is missing: its step runs again" {
		t.Errorf("said %q", lines)
	}
	m.err = errors.New("no space")
	if got, err := h.Heal(damage("d")); got || !errors.Is(err, m.err) || len(layer.Damages(err)) != 1 {
		t.Errorf("healed %v, %v", got, err)
	}
}

// A note says which password is left out because the build's proxy cannot keep it.
func TestRelayOfAHost(t *testing.T) {
	for proxy, want := range map[string]string{
		"": "", "http://proxy:1": "",
		"socks5h://u:p@proxy:1": "apt in steps does not use the host's http proxy: its address contains a password, which steps could read",
	} {
		var said notes
		relay, err := engine.StartRelay(t.Context(), debian.Host{HTTPProxy: proxy}, sandbox.HostNetwork, func(text string) { said.add("%s", text) })
		if relay != nil || err != nil || strings.Join(said.all(), "") != want {
			t.Errorf("%s: %v, %v, said %q", proxy, relay, err, said.all())
		}
	}
}
