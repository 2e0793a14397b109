// SPDX-License-Identifier: MPL-2.0

package doctorcmd

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/network"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// network tries the network that --network auto would use.
func (c *checkup) network(ctx context.Context, room *rung.Room) {
	const what, shared = "network", "steps share the host's, its loopback included: "
	err := cli.NetworkRefused(room)
	if err == nil && !room.WayOut {
		err = c.tryNetwork(ctx, room)
	}
	if err == nil {
		c.line("ok", what, "steps reach neither the host's loopback nor its abstract sockets")
		return
	}
	cure := "--network none, or another sandbox"
	if host, ok := errors.AsType[*remedy.Error](err); ok {
		cure, err = host.Cure, &remedy.Error{Tried: host.Tried, Err: host.Err}
	}
	if cure == "" {
		cure = "--network none for declarations that are not trusted"
	}
	c.lack(what, shared+render.Printable(err.Error()), cure)
}

// tryNetwork opens a network.
func (c *checkup) tryNetwork(ctx context.Context, room *rung.Room) error {
	host, err := debian.ReadHost("/", c.Getenv)
	if err != nil {
		host = debian.Host{} // the line about the mirror says so
	}
	s := c.NetworkSetting(room)
	if s.Resolver, err = os.ReadFile("/etc/resolv.conf"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	proxies, _ := host.StepProxies(c.Getenv, "")
	s.Servers = append(host.Servers(), proxies["http_proxy"], proxies["https_proxy"])
	n, err := network.Open(ctx, s)
	if err != nil {
		return err
	}
	return n.Close()
}
