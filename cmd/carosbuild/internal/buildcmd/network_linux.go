// SPDX-License-Identifier: MPL-2.0

package buildcmd

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

// stepNetwork is what steps have of this host's network.
type stepNetwork struct {
	auto    *network.Auto
	relay   *debian.Relay
	proxies map[string]string // variables
}

// openNetwork prepares the network of steps. Wanted is that of the build.
func openNetwork(ctx context.Context, a *cli.App, room *rung.Room, host debian.Host, wanted sandbox.Network, resolver []byte, note func(string)) (*stepNetwork, error) {
	relay, err := engine.StartRelay(ctx, host, wanted, note)
	if err != nil {
		return nil, err
	}
	n := &stepNetwork{relay: relay}
	reached := relay.Address()
	if room.Reach != nil && reached != "" {
		reached = room.Reach(reached)
	}
	var withheld []string
	n.proxies, withheld = host.StepProxies(a.Getenv, reached)
	if wanted != sandbox.NoNetwork && len(withheld) > 0 {
		note("steps do not get " + strings.Join(withheld, " and ") + ": the address contains a password, which they could read")
	}
	n.auto = &network.Auto{Setting: a.NetworkSetting(room), Note: note, Apart: room.WayOut, Refused: cli.NetworkRefused(room)}
	n.auto.Resolver = resolver
	n.auto.Servers = append(host.Servers(), relay.Address(), n.proxies["http_proxy"], n.proxies["https_proxy"])
	return n, nil
}

func (n *stepNetwork) close() error { return errors.Join(n.auto.Close(), n.relay.Close()) }
