# Everything that a person or CI runs. "make help" lists it.

TAGS    := exclude_graphdriver_btrfs exclude_graphdriver_zfs
GO      = $(shell scripts/go.sh)
GOFUMPT := mvdan.cc/gofumpt@v0.12.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE := golang.org/x/tools/cmd/deadcode@v0.49.0
VULNCHECK := golang.org/x/vuln/cmd/govulncheck@latest
# With the race detector, which takes up to five times as long and compiles everything again: packages whose goroutines
# share more than a result. The writers of disks, which hand pieces to workers, take minutes with it.
RACED := ./pkg/feed ./pkg/oci/... ./pkg/results ./pkg/serve ./pkg/terminal
# What "carosbuild version" says: of a git clone its tag or commit. Where there is none, Go's own record counts.
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
SOURCES := $(shell find cmd pkg targets -type f ! -name '*_test.go' 2>/dev/null) go.mod go.sum
export PATH := $(PATH):/usr/sbin:/sbin

# setup-* comes before what it sets up.
.NOTPARALLEL:

.PHONY: help build test check unit coverage vuln lint deadcode cross network integration ova-import fresh slow-boots yocto-boots reach torture fuzz bench peers man release clean setup-build setup-test setup-bench caros.vmdk

help:
	@sed -n 's/^\([a-z.-]*\):.*## /\1\t/p' Makefile | expand -t 14

caros.vmdk: setup-build bin/carosbuild ## the built-in target vmware.xml as a disk image
	bin/carosbuild vmware.xml --out $@

build: setup-build bin/carosbuild ## the program, bin/carosbuild

bin/carosbuild: $(SOURCES)
	CGO_ENABLED=0 $(GO) build -trimpath -tags "$(TAGS)" -ldflags "-s -w$(if $(VERSION), -X main.version=$(VERSION))" -o $@ ./cmd/carosbuild

test: setup-test check network integration ## all tests, and every tool that they need

check: lint unit coverage vuln ## static checks (their tools come from the module mirror) and unit tests

lint:
	@out=$$($(GO) run $(GOFUMPT) -l cmd pkg targets integration) && { [ -z "$$out" ] || { echo "not formatted:"; echo "$$out"; false; }; }
	$(GO) vet -tags "$(TAGS)" ./...
	$(GO) run $(STATICCHECK) -tags "$(TAGS)" ./...
	$(GO) mod tidy -diff
	$(MAKE) deadcode cross

deadcode: ## functions that nothing reaches, but for those that scripts/deadcode.sh lists
	@scripts/deadcode.sh "$(GO)" "$(TAGS)" $(DEADCODE)

cross: ## builds and vets for 64-bit ARM, macOS and Windows
	scripts/cross.sh "$(GO)" "$(TAGS)"

unit:
	CAROSBUILD_REQUIRE_TOOLS=$(if $(CI),1,) $(GO) test -tags "$(TAGS)" ./cmd/... ./pkg/... ./targets/...
	CGO_ENABLED=1 $(GO) test -race -tags "$(TAGS)" $(RACED)

coverage: ## what builds rest on: 85 % of the statements are tested without root and namespaces
	@scripts/coverage.sh "$(GO)" "$(TAGS)" 85 ./pkg/plan ./pkg/engine

vuln: ## known vulnerabilities of what the program uses; a note where their database cannot be reached
	@out=$$($(GO) run $(VULNCHECK) -tags "$(TAGS)" ./cmd/... 2>&1) && echo "$$out" || case "$$out" in \
	*"vuln.go.dev"*) echo "note: the database of vulnerabilities cannot be reached; nothing was checked" ;; \
	*) echo "$$out"; false ;; esac

network: setup-test ## a bootstrap from the mirror, and its package list against mmdebstrap's
	CAROSBUILD_NETWORK_TESTS=1 CAROSBUILD_REQUIRE_TOOLS=$(if $(CI),1,) $(GO) test -tags "$(TAGS)" -count=1 -v -run '^TestRealMirror$$' ./pkg/source/debian/

integration: bin/carosbuild ova-import ## builds and boots the real thing; RUN=Regexp picks tests
	CAROSBUILD_REQUIRE_TOOLS=$(if $(CI),1,) CAROSBUILD=$(CURDIR)/bin/carosbuild GO=$(GO) $(GO) test -tags "$(TAGS) integration" -timeout 90m $(if $(RUN),-run "$(RUN)") -v ./integration/...

ova-import: ## an appliance into VMware's simulator, with VMware's client library; a module of its own
	cd integration/govmomi && $(GO) vet ./... && $(GO) mod tidy -diff && $(GO) test -count=1 ./...

fresh: setup-bench bin/carosbuild ## the README's first command in a bare container, as root; takes minutes
	CAROSBUILD_FRESH=1 $(MAKE) integration RUN='^TestFreshContainer$$'

slow-boots: setup-test bin/carosbuild ## every built-in target boots with a third of a processor, RUNS=10 times; takes hours
	CAROSBUILD_SLOW_BOOTS=$(or $(RUNS),10) CAROSBUILD_REQUIRE_TOOLS=$(if $(CI),1,) CAROSBUILD=$(CURDIR)/bin/carosbuild $(GO) test -tags "$(TAGS) integration" \
		-timeout 48h -count 1 -run "$(or $(RUN),^TestPause|^TestSlowBoots)" -v ./integration/

yocto-boots: setup-test bin/carosbuild ## disks of what Yocto deploys, booted under each firmware and on boards; takes about half an hour
	CAROSBUILD_YOCTO_BOOTS=1 $(MAKE) integration RUN='^TestYoctoBoot$$'

torture: setup-test bin/carosbuild ## commands killed at random moments, file systems that get full, many builds at once; ROUNDS=200; takes half an hour
	CAROSBUILD_TORTURE=$(or $(ROUNDS),200) $(MAKE) integration RUN='^TestTorture'

reach: setup-test bin/carosbuild ## builds in imitations of the containers of CI, after the advice of doctor, and in virtual machines; as root, takes an hour
	CAROSBUILD_REACH=1 $(MAKE) integration RUN='^TestReach'
	CGO_ENABLED=0 CAROSBUILD_REACH=1 CAROSBUILD_REQUIRE_TOOLS=$(if $(CI),1,) CAROSBUILD=$(CURDIR)/bin/carosbuild $(GO) test -tags "$(TAGS) integration" -timeout 60m $(if $(RUN),-run "$(RUN)") -count 1 -v ./integration/vm/

fuzz: setup-test ## every fuzz target, one after the other; FUZZTIME=10s each, FUZZ=Regexp picks (PACKAGE:Name)
	@scripts/fuzz.sh "$(GO)" "$(TAGS)" $(or $(FUZZTIME),10s) $(if $(FUZZ),'$(FUZZ)')

bench: setup-bench bin/carosbuild ## speed and size against the peers, as ratios from one run
	CAROSBUILD=$(CURDIR)/bin/carosbuild $(GO) test -tags "$(TAGS) bench" -v -run TestBench -timeout 60m -count 1 ./integration/

release: ## programs and Debian packages of this commit for amd64 and arm64, reproducible, in bin/release
	scripts/release.sh "$(GO)" "$(TAGS)" bin/release

setup-build setup-test setup-bench:
	@scripts/setup.sh $(@:setup-%=%)

man: bin/carosbuild ## the manual pages, bin/man/*.1
	rm -rf bin/man && bin/carosbuild man bin/man

peers: ## disk checks against e2fsprogs, dosfstools and util-linux on these projects' own test images, which apt fetches
	$(GO) test -tags "$(TAGS) peers" -v -run TestPeers $(if $(RUN),-run "$(RUN)") -timeout 30m -count 1 ./integration/

clean:
	rm -rf bin
