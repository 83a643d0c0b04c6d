(() => {
  // What somebody chooses while a reply is on its way stays as it was chosen: a reply to an older question leaves that value alone.
  const FORMS = new Set(['checkbox', 'checkboxgroup', 'colorpicker', 'dropdown', 'file', 'image', 'number', 'radio', 'slider', 'textbox']);
  const chosen = new Map(); // number of a component -> when somebody changed it last
  const asked = new Map(); // number of an event -> when it was asked, and by which function
  const joining = new Set();
  let known = null;
  const forms = () => {
    const parts = window.gradio_config?.components ?? [];
    known ??= parts.length ? new Map(parts.filter(one => one.props?.elem_id && FORMS.has(one.type)).map(one => [one.props?.elem_id, one])) : null;
    return known ?? new Map();
  };
  const formOf = target => {
    for (let one = target.closest?.('[id]'); one; one = one.parentElement?.closest('[id]')) if (forms().has(one.id)) return forms().get(one.id);
    return null;
  };
  const note = event => {
    const form = formOf(event.target);
    const bare = ['pointerdown', 'keydown'].includes(event.type); // their choices send no event of their own
    if (form && (!bare || ['dropdown', 'colorpicker'].includes(form.type)) && event.key !== 'Tab') chosen.set(form.id, performance.now());
  };
  for (const type of ['input', 'change', 'drop', 'paste', 'pointerdown', 'keydown']) document.addEventListener(type, note, true);

  const kept = line => {
    if (!line.startsWith('data:')) return line;
    const said = JSON.parse(line.slice(5)), from = asked.get(said.event_id);
    if (said.msg !== 'process_completed' || !from) return line;
    asked.delete(said.event_id);
    const outputs = window.gradio_config.dependencies.find(one => one.id === from.by)?.outputs ?? [];
    outputs.forEach((id, at) => {
      const value = said.output?.data?.[at];
      if (!(chosen.get(id) > from.when) || value === undefined) return;
      if (value?.__type__ === 'update') delete value.value;
      else said.output.data[at] = { __type__: 'update' };
    });
    return `data: ${JSON.stringify(said)}`;
  };
  const lines = () => {
    let rest = '';
    return new TransformStream({
      async transform(chunk, out) {
        const found = (rest + chunk).split('\n');
        rest = found.pop();
        if (!found.length) return;
        await Promise.allSettled([...joining]); // a reply may be quicker than the number of its event
        out.enqueue(found.map(line => kept(line) + '\n').join(''));
      },
      flush(out) { out.enqueue(rest); },
    });
  };
  const plain = window.fetch.bind(window);
  const joined = async (what, how, when) => {
    const reply = await plain(what, how);
    if (reply.ok) asked.set((await reply.clone().json()).event_id, { when, by: JSON.parse(how.body).fn_index });
    return reply;
  };
  window.fetch = async (what, how) => {
    const path = new URL(what.url ?? what, location).pathname;
    if (path.endsWith('/queue/join')) {
      const one = joined(what, how, performance.now());
      joining.add(one);
      return one.finally(() => joining.delete(one));
    }
    const reply = await plain(what, how);
    if (!path.endsWith('/queue/data') || !reply.body) return reply;
    const body = reply.body.pipeThrough(new TextDecoderStream()).pipeThrough(lines()).pipeThrough(new TextEncoderStream());
    return new Response(body, { status: reply.status, statusText: reply.statusText, headers: reply.headers });
  };
})();
