import { useState } from 'react';
import { Command } from '../design/feedback.tsx';
import { hasToken, saveToken } from '../live/services.ts';
import { texts } from '../texts.ts';

/** Asks for a token when the server wants one. */
export function TokenGate() {
  const [token, setToken] = useState('');
  return (
    <form
      className="card m-auto flex w-[min(440px,calc(100%-24px))] flex-col gap-3 p-5"
      onSubmit={(event) => {
        event.preventDefault();
        if (token.trim() !== '') saveToken(token.trim());
      }}
    >
      <h1 className="text-[17px] font-semibold">{texts.token.title}</h1>
      <p className="text-muted">{texts.token.body}</p>
      <Command text={texts.token.command} />
      {hasToken() && (
        <p role="alert" className="text-danger">
          {texts.token.refused}
        </p>
      )}
      <label className="flex flex-col gap-1 font-medium">
        {texts.token.label}
        <input
          type="password"
          autoComplete="off"
          className="field"
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
      </label>
      <button type="submit" className="btn btn-primary" disabled={token.trim() === ''}>
        {texts.token.submit}
      </button>
    </form>
  );
}
