#!/usr/bin/env bash
# Fetches the raw code that docs/prepare.md shows a report of: benchmarks/raw_code.sh FOLDER (about 225 MB of archives).
# Needs pip, npm and, for Debian's sources, apt with deb-src lines of bookworm. What a distribution has replaced
# by a newer version since is said, and left out.
set -uo pipefail
out=$(realpath -m "${1:?usage: benchmarks/raw_code.sh FOLDER}")

sdists=(
    django==5.1.4 ansible-core==2.17.7 pylint==3.3.2 mercurial==6.8.2 paramiko==3.5.0 chardet==5.2.0
    unidecode==1.3.8 docutils==0.21.2 pygments==2.18.0 celery==5.4.0 tornado==6.4.2 scrapy==2.12.0 flask==3.1.0
    requests==2.32.3 jinja2==3.1.4 black==24.10.0 gevent==24.11.1 pyyaml==6.0.2 regex==2024.11.6 setuptools==75.6.0
    pip==24.3.1 qtpy==2.4.2 youtube-dl==2021.12.17
)
wheels=(
    notebook==7.3.1
)
npm=(
    react@19.0.0 lodash@4.17.21 express@4.21.2 vue@3.5.13 d3@7.9.0 rxjs@7.8.1 @angular/core@19.0.3 eslint@9.16.0
    prettier@3.4.2 webpack@5.97.1 axios@1.7.9 moment@2.30.1 jquery@3.7.1 bootstrap@5.3.3 chart.js@4.4.7
    mathjs@14.0.0 @types/node@22.10.1 tinymce@7.6.0 ckeditor5@44.0.0 @mui/material@6.1.10 mermaid@11.4.1
    svelte@5.8.0 undici@7.1.0 zod@3.23.8
)
debian=(
    bash=5.2.15-2 coreutils=9.1-1 git=1:2.39.5-0+deb12u3 zlib=1:1.2.13.dfsg-1 curl=7.88.1-10+deb12u15
    lua5.4=5.4.4-3+deb12u1 redis=5:7.0.15-1~deb12u7 nginx=1.22.1-9+deb12u9 golang-github-spf13-cobra=1.6.1-1
    golang-golang-x-tools=1:0.5.0+ds-1 golang-golang-x-net=1:0.7.0+dfsg-1 golang-google-grpc=1.33.3-2
    docker.io=20.10.24+dfsg1-1+deb12u1 libcommons-lang3-java=3.12.0-2+deb12u1 junit4=4.13.2-3
    jackson-databind=2.14.0-1+deb12u1 netty=1:4.1.48-7+deb12u2 fmtlib=9.1.0+ds1-2 googletest=1.12.1-0.2
    abseil=20220623.1-1+deb12u2 leveldb=1.23-4 re2=20220601+dfsg-1 eigen3=3.4.0-4 catch2=2.13.10-1
    libuv1=1.44.2-1+deb12u1 libmojolicious-perl=9.31+dfsg-1 rails=2:6.1.7.10+dfsg-1~deb12u2
    symfony=5.4.53+dfsg-0+deb12u1 composer=2.5.5-1+deb12u5 phpunit=9.6.7-1+deb12u1 haskell-lens=5.0.1-2
    r-cran-ggplot2=3.4.1+dfsg-1 elixir-lang=1.14.0.dfsg-2 lapack=3.11.0-2 make-dfsg=4.3-4.1 scala=2.11.12-5
    ocaml=4.13.1-4 vim=2:9.0.1378-2+deb12u2 cargo=0.66.0+ds1-1 rust-bat=0.22.1-4 rust-clap=4.0.32-1
    rust-fd-find=8.6.0-3 rust-ripgrep=13.0.0-4 keepass2=2.47+dfsg-2
)

mkdir -p "$out"/{sdists,wheels,npm,debian}
missing=()
for package in "${sdists[@]}"; do
    pip download --quiet --no-deps --no-binary "${package%%==*}" --dest "$out/sdists" "$package" || missing+=("$package")
done
for package in "${wheels[@]}"; do
    pip download --quiet --no-deps --only-binary :all: --dest "$out/wheels" "$package" || missing+=("$package")
done
for package in "${npm[@]}"; do
    (cd "$out/npm" && npm pack --silent "$package" >/dev/null) || missing+=("$package")
done
for package in "${debian[@]}"; do
    (cd "$out/debian" && apt-get source --quiet --quiet --download-only --only-source "$package" >/dev/null) || missing+=("$package")
done
du -sh "$out"
[ ${#missing[@]} -eq 0 ] || echo "not there any more: ${missing[*]}" >&2
