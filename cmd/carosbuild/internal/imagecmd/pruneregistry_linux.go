// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
	"github.com/carosio/carosbuild/pkg/words"
)

// pruneRegistry removes results of steps that other machines share.
func (c *pruneCommand) pruneRegistry(ctx context.Context, args []string) error {
	if len(args) > 0 || c.all || c.maxSize != "" {
		return cli.Usagef("--registry can only be combined with --older-than and --dry-run")
	}
	rule, _, err := c.rule(nil, time.Now())
	if err != nil {
		return err
	}
	if err := stepcache.Check(c.registry); err != nil {
		return cli.Usagef("--registry %v", err)
	}
	p, err := stepcache.Open(ctx, c.Registry(layer.Paths{}), c.registry)
	if err != nil {
		return err
	}
	if dir, ok := strings.CutPrefix(c.registry, "oci:"); ok { // to others, one that is missing has no results yet
		if _, err := os.Stat(filepath.Join(dir, "index.json")); err != nil {
			return fmt.Errorf("prune %s: it is not an OCI layout: %w", p.Name, err)
		}
	}
	removed, kept, err := p.Prune(ctx, rule.Before, c.dry)
	if err != nil {
		return fmt.Errorf("prune %s: %w", p.Name, err)
	}
	verb := "removed"
	if c.dry {
		verb = "would remove"
	}
	_, err = fmt.Fprintf(c.Stdout, "%s %s, %d stay\n", verb, words.Count(removed, "result"), kept)
	return err
}
