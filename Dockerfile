# leat's image: the Debian package of leat on trixie-slim, run by nobody in particular.
#
#	docker build -t leat .		(or podman build --format docker -t leat . ; ./dev image)
#	docker run --rm -p 127.0.0.1:8080:8080 -v leat:/data --read-only leat
#
# Three stages: web makes the pages, build makes the packages (./dev deb takes them from there),
# and what runs is the base image, the package with the libraries that it names, and a user.
# Nothing is written outside /data. docs/deploy.md says more.

ARG DEBIAN=docker.io/library/debian:trixie-slim

FROM ${DEBIAN} AS web
RUN apt-get update -q \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		ca-certificates nodejs npm python3 \
	&& rm -rf /var/lib/apt/lists/*
# Authorities that the base image has beside the usual ones, for npm too.
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
COPY tools/npm-install tools/build-web tools/
COPY web/package.json web/package-lock.json web/
COPY openapi/viewer/package.json openapi/viewer/package-lock.json openapi/viewer/
RUN tools/npm-install web openapi/viewer
COPY web/ web/
COPY openapi/ openapi/
RUN tools/build-web --required --source web --out /sites/dashboard --stamp /tmp/s --depfile /tmp/d \
	&& tools/build-web --required --source openapi/viewer --out /sites/viewer \
		--stamp /tmp/s --depfile /tmp/d

FROM ${DEBIAN} AS build
WORKDIR /src/leat
# What it takes to build leat stands in debian/control, and only there.
COPY debian/control debian/
RUN apt-get update -q \
	&& DEBIAN_FRONTEND=noninteractive apt-get build-dep -y -q --no-install-recommends ./ \
	&& rm -rf /var/lib/apt/lists/*
COPY . .
COPY --from=web /sites/ /sites/
RUN LEAT_SITES=/sites DEB_BUILD_OPTIONS=terse dpkg-buildpackage --build=binary --no-sign && mkdir /packages && mv ../*.deb /packages/

FROM scratch AS deb
COPY --from=build /packages/ /

FROM ${DEBIAN} AS runtime
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
	apt-get update -q \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
		/packages/leat_*.deb \
	&& groupadd --gid 10001 leat \
	&& useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home leat \
	&& install -d -o 10001 -g 10001 -m 0700 /data \
	&& rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
		/var/lib/dpkg/*-old

ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="leat" \
	org.opencontainers.image.description="Job server for pipelines over JSON items" \
	org.opencontainers.image.licenses="MIT" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	org.opencontainers.image.base.name="docker.io/library/debian:trixie-slim"

# It starts with LEAT_TOKENS, or, published on 127.0.0.1 only, with LEAT_INSECURE=yes; with neither
# it says so and ends.
ENV LEAT_LISTEN=0.0.0.0:8080 LEAT_DATA=/data LEAT_STAGES_D=/etc/leat/stages.d
# Numbers, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["leat", "health"]
ENTRYPOINT ["leat"]
CMD ["serve"]
