// Replaces a DNS entry and port 443: connections to commentanalyzer.googleapis.com go to 127.0.0.1:PARLEY_TLS_PORT.
// The certificate is still checked, against that name and the authority in NODE_EXTRA_CA_CERTS.
const tls = require("tls");

const connect = tls.connect;
tls.connect = function (options, ...rest) {
  if (options && options.host === "commentanalyzer.googleapis.com") {
    const moved = { ...options, host: "127.0.0.1", port: Number(process.env.PARLEY_TLS_PORT), path: null };
    return connect.call(this, { servername: options.host, ...moved }, ...rest);
  }
  return connect.call(this, options, ...rest);
};
