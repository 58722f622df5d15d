import { useInput } from 'ink';
import { useSyncExternalStore } from 'react';
import { drawFrame } from '../draw.ts';
import { keyNames } from '../keymap.ts';
import type { Ui } from '../ui.ts';
import { FrameLines } from './frame.tsx';

/** Draws what the UI knows and hands keys on; it holds no state of its own. */
export function App({ ui, onKey }: { readonly ui: Ui; onKey(): void }) {
  const { model, frame } = useSyncExternalStore(ui.subscribe, ui.seen);
  useInput((input, key) => {
    onKey();
    for (const name of keyNames(input, key)) ui.press(name);
  });
  return <FrameLines lines={drawFrame(model, frame, ui.desk)} ascii={frame.ascii} />;
}
