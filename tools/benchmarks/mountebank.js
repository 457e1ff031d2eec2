// A stateful imposter: group → name → call capacity, kept in the imposter's state.
(config) => {
  const { method, path, body, headers } = config.request;
  const [, , , , , , group, , , name] = path.split('/');
  const capacities = config.state[group] ??= {};
  const one = capacities[name];
  // Without this header, it would close every connection.
  const connection = headers.Connection === 'close' ? 'close' : 'keep-alive';
  const answer = (statusCode, content) => ({
    statusCode,
    headers: { 'Content-Type': 'application/json', Connection: connection },
    body: content === undefined ? '' : JSON.stringify(content),
  });
  if (!name && method === 'POST') {
    const created = JSON.parse(body);
    capacities[created.name] = created;
    return answer(201, created);
  }
  if (!name) return answer(200, { call_capacities: Object.values(capacities) });
  if (!one) return answer(404, { errors: [{ code: 40402 }] });
  if (method === 'PUT') Object.assign(one, JSON.parse(body));
  if (method === 'DELETE') {
    delete capacities[name];
    return answer(200);
  }
  return answer(200, one);
}
