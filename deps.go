//go:build ignore_deps

package deps

import (
	_ "github.com/BurntSushi/toml"
	_ "github.com/google/go-containerregistry/pkg/v1/tarball"
	_ "github.com/google/go-containerregistry/pkg/v1/remote"
	_ "github.com/google/go-containerregistry/pkg/v1/layout"
	_ "github.com/google/go-containerregistry/pkg/authn"
	_ "github.com/ProtonMail/go-crypto/openpgp"
	_ "github.com/diskfs/go-diskfs/partition/gpt"
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/google/go-containerregistry/pkg/v1"
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/klauspost/pgzip"
	_ "github.com/opencontainers/runtime-spec/specs-go"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/vbatts/tar-split/tar/asm"
	_ "go.podman.io/storage"
	_ "go.uber.org/goleak"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "github.com/xi2/xz"
	_ "github.com/ulikunitz/xz"
	_ "github.com/therootcompany/xz"
	_ "pault.ag/go/debian/control"
)
