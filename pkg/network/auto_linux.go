// SPDX-License-Identifier: MPL-2.0

package network

import (
	"context"
	"errors"
	"sync"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Auto is the network of steps that do not name one. Its fields are set before Join and not
// changed afterwards.
type Auto struct {
	Setting
	// Refused says why the sandbox cannot join a namespace, whatever the host has; nil: it can.
	Refused error
	// Apart says that the sandbox's network has its own way out, which does not lead to the
	// host's loopback.
	Apart bool
	// Never has a command go without a network where it would share the host's.
	Never bool
	Note  func(text string) // is told, once, that the host's network is shared; may be nil

	mu     sync.Mutex
	closed *Closed
	shared bool // the host's network is shared
}

// Join connects one command. The first call opens the network.
func (a *Auto) Join(ctx context.Context) (sandbox.Connection, error) {
	host := sandbox.Connection{Network: sandbox.HostNetwork, Resolver: a.Resolver}
	if a.Never && !a.Apart {
		host = sandbox.Connection{Network: sandbox.NoNetwork}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Apart || a.shared {
		return host, nil
	}
	if a.closed != nil && !a.closed.Lives() {
		err := a.closed.Close()
		if a.closed = nil; err != nil {
			return host, err
		}
	}
	if a.closed == nil {
		err := a.Refused
		if err == nil {
			a.closed, err = Open(ctx, a.Setting)
		}
		if err != nil {
			return host, a.share(ctx, err)
		}
	}
	return sandbox.Connection{Network: sandbox.ClosedNetwork, NetNS: a.closed.NetNS, Resolver: a.closed.Resolver}, nil
}

// share falls back to the host's network, unless the caller has been interrupted.
func (a *Auto) share(ctx context.Context, why error) error {
	a.closed = nil
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), why)
	}
	if a.shared = true; a.Note != nil {
		text := line(why)
		if a.Never {
			text = "there is no network: there is only the host's, which it takes --network host to share: " + oneLine(why)
		}
		a.Note(text)
	}
	return nil
}

// line is the note that steps share the host's network, and why.
func line(why error) string {
	return "steps share the host's network, its loopback included, because they cannot have one of their own: " + oneLine(why)
}

// Close ends what Join has opened.
func (a *Auto) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed == nil {
		return nil
	}
	err := a.closed.Close()
	a.closed = nil
	return err
}
