// What a component's scripts find around them, for the type checker alone: Gradio's `gr.HTML` (or judge_page.js) hands
// it over.

declare const element: HTMLElement;
declare const props: { lang?: string; words?: string; value?: string; [name: string]: string | undefined };
declare function watch(names: string | string[], changed: () => void): void;
declare function trigger(event: string, detail?: object): void;

interface Window {
  gradio_config?: { root?: string; username?: string };
  labEarly?: any;
  labErrors?: Record<string, Record<string, string>>;
  labChanges?: any;
  labDraft?: any;
  labTextDisplay?: {
    chosen: boolean;
    render: ((text: string) => DocumentFragment) | null;
    loading: Promise<void> | null;
    failed: boolean;
  };
  markdownit?: any;
  DOMPurify?: any;
  temml?: any;
}
