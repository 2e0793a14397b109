// SPDX-License-Identifier: MPL-2.0

package stepflags

import (
	"context"
	"errors"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/network"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// Network is what steps have of this host's network.
type Network struct {
	Auto    *network.Auto
	Relay   *debian.Relay
	Proxies map[string]string // variables
}

// OpenNetwork prepares the network of steps. Wanted is that of the build.
func OpenNetwork(ctx context.Context, a *cli.App, room *rung.Room, host debian.Host, wanted sandbox.Network, resolver []byte, note func(string)) (*Network, error) {
	relay, err := engine.StartRelay(ctx, host, wanted, note)
	if err != nil {
		return nil, err
	}
	n := &Network{Relay: relay}
	reached := relay.Address()
	if room.Reach != nil && reached != "" {
		reached = room.Reach(reached)
	}
	var withheld []string
	n.Proxies, withheld = host.StepProxies(a.Getenv, reached)
	if wanted != sandbox.NoNetwork && len(withheld) > 0 {
		note("steps do not get " + strings.Join(withheld, " and ") + ": the address contains a password, which they could read")
	}
	n.Auto = &network.Auto{Setting: a.NetworkSetting(room), Note: note, Apart: room.WayOut, Refused: cli.NetworkRefused(room)}
	n.Auto.Resolver = resolver
	n.Auto.Servers = append(host.Servers(), relay.Address(), n.Proxies["http_proxy"], n.Proxies["https_proxy"])
	return n, nil
}

// Close ends the network and the relay.
func (n *Network) Close() error { return errors.Join(n.Auto.Close(), n.Relay.Close()) }
