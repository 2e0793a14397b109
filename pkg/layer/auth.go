// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
)

// authFile is the format that containers-auth.json(5) and docker's
// config.json share.
type authFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// authFiles are the places of credentials, the first that has some wins.
func (r Registry) authFiles() []string {
	if f := r.env("REGISTRY_AUTH_FILE"); f != "" {
		return []string{f}
	}
	run := RuntimeDir(r.env)
	if run == "" {
		run = "/run/user/" + strconv.Itoa(r.UID)
	}
	files := []string{filepath.Join(run, "containers", "auth.json")}
	if r.env("HOME") != "" || r.env("XDG_CONFIG_HOME") != "" {
		files = append(files, filepath.Join(configHome(r.env), "containers", "auth.json"))
	}
	if d := r.env("DOCKER_CONFIG"); d != "" {
		files = append(files, filepath.Join(d, "config.json"))
	} else if h := r.env("HOME"); h != "" {
		files = append(files, filepath.Join(h, ".docker", "config.json"))
	}
	return files
}

// keychain finds credentials by registry and repository.
type keychain struct {
	ctx   context.Context
	env   func(string) string
	files []authFile
}

func (r Registry) keychain(ctx context.Context) (authn.Keychain, error) {
	k := &keychain{ctx: ctx, env: r.env}
	for _, f := range r.authFiles() {
		b, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read credentials: %w", err)
		}
		var a authFile
		if err := json.Unmarshal(b, &a); err != nil {
			return nil, fmt.Errorf("read credentials: %s: %w", f, err)
		}
		k.files = append(k.files, a)
	}
	return k, nil
}

// Resolve looks for the most specific entry, first with the repository's
// path, then without its last parts, then the registry.
func (k *keychain) Resolve(res authn.Resource) (authn.Authenticator, error) {
	var keys []string
	for n := res.String(); n != "."; n = filepath.Dir(n) {
		keys = append(keys, n)
	}
	reg := res.RegistryStr()
	if reg == name.DefaultRegistry {
		for _, n := range keys {
			keys = append(keys, "docker.io"+strings.TrimPrefix(n, reg))
		}
		keys = append(keys, "https://index.docker.io/v1/", "docker.io")
	}
	keys = append(keys, "https://"+reg, "https://"+reg+"/v1/", "https://"+reg+"/v2/")
	for _, f := range k.files {
		for _, key := range keys {
			a, err := k.entry(f, key)
			if a != nil || err != nil {
				return a, err
			}
		}
	}
	return authn.Anonymous, nil
}

func (k *keychain) entry(f authFile, key string) (authn.Authenticator, error) {
	if e, ok := f.Auths[key]; ok && (e.Auth != "" || e.IdentityToken != "") {
		b, err := base64.StdEncoding.DecodeString(e.Auth)
		if err != nil {
			return nil, fmt.Errorf("credentials of %s: %w", key, err)
		}
		user, password, _ := strings.Cut(string(b), ":")
		return authn.FromConfig(authn.AuthConfig{Username: user, Password: strings.TrimRight(password, "\x00"), IdentityToken: e.IdentityToken}), nil
	}
	helper := f.CredHelpers[key]
	if helper == "" && f.CredsStore != "" {
		if _, ok := f.Auths[key]; ok {
			helper = f.CredsStore
		}
	}
	if helper == "" {
		return nil, nil
	}
	return k.ask(helper, key)
}

// ask runs a docker credential helper.
func (k *keychain) ask(helper, key string) (authn.Authenticator, error) {
	if strings.ContainsAny(helper, "/ ") {
		return nil, fmt.Errorf("credential helper %q of %s: not a plain name", helper, key)
	}
	cmd := exec.CommandContext(k.ctx, "docker-credential-"+helper, "get")
	cmd.Stdin = strings.NewReader(key)
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		if strings.Contains(out.String(), "credentials not found") {
			return nil, nil
		}
		return nil, fmt.Errorf("credential helper %s for %s: %w", helper, key, err)
	}
	var c struct{ Username, Secret string }
	if err := json.Unmarshal(out.Bytes(), &c); err != nil {
		return nil, fmt.Errorf("credential helper %s for %s: %w", helper, key, err)
	}
	if c.Username == "<token>" {
		return authn.FromConfig(authn.AuthConfig{IdentityToken: c.Secret}), nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: c.Username, Password: c.Secret}), nil
}
