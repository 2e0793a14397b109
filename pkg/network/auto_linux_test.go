// SPDX-License-Identifier: MPL-2.0

package network

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Without a namespace the host's network is shared; one note says so.
func TestAuto(t *testing.T) {
	resolver := []byte("nameserver 192.0.2.1\n")
	host := sandbox.Connection{Network: sandbox.HostNetwork, Resolver: resolver}
	why := &remedy.Error{Tried: "pasta is not installed", Cure: "apt-get install passt"}
	const line = "steps share the host's network, its loopback included, because they cannot have one of their own: pasta is not installed (remedy: apt-get install passt)"
	const none = "there is no network: there is only the host's, which it takes --network host to share: pasta is not installed (remedy: apt-get install passt)"
	for _, tt := range []struct {
		name  string
		auto  *Auto
		notes []string
	}{
		{"refused", &Auto{Refused: why}, []string{line}},
		{"refused, and never shared", &Auto{Refused: why, Never: true}, []string{none}},
		{"the machine's, and never shared", &Auto{Apart: true, Never: true}, nil},
		{"the machine's", &Auto{Apart: true}, nil},
		{"a server that is out of reach", &Auto{Setting: Setting{Servers: []string{"http://127.0.0.2:1"}}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.auto
			a.Resolver, a.Dir = resolver, t.TempDir()
			var mu sync.Mutex
			var notes []string
			a.Note = func(text string) { mu.Lock(); notes = append(notes, text); mu.Unlock() }
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					got, err := a.Join(t.Context())
					want := host
					if a.Never && !a.Apart {
						want = sandbox.Connection{Network: sandbox.NoNetwork}
					}
					if diff := cmp.Diff(got, want); diff != "" || err != nil {
						t.Errorf("%v (-got +want):\n%s", err, diff)
					}
				})
			}
			wg.Wait()
			if tt.notes == nil && len(tt.auto.Servers) > 0 {
				if tt.notes = notes; len(notes) != 1 {
					t.Errorf("noted %q", notes)
				}
			}
			if !slices.Equal(notes, tt.notes) {
				t.Errorf("noted %q, want %q", notes, tt.notes)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// After an interruption, no other network is tried.
func TestAutoInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a := &Auto{Refused: errors.New("refused"), Note: func(text string) { t.Error(text) }}
	if _, err := a.Join(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if a.shared {
		t.Error("the host's network is taken")
	}
}
